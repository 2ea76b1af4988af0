//! Several processes that train one model: what they ask of an engine that carries numbers between them.
//!
//! One process (a rank) drives one device and holds the whole model. Every rank calls the same operations in the same
//! order with the same sizes; an engine is a library (`collectives/`), or [`threads()`] of one process for tests.
//! Engines only sum and copy. What is built on that is here, once for all of them: where the ranks come from
//! ([`World`]), which gradients travel together ([`BucketPlan`]), which rank has which tensor ([`Shards`]), sums whose bits don't depend on the engine
//! ([`ordered_sum`]), small figures of every rank ([`gather`]), and the check that all train the same
//! ([`Identity`]).

mod bucket;
mod gather;
mod identity;
mod launcher;
mod ordered;
mod shards;
mod threads;
mod world;

pub use bucket::{BUCKET_BYTES, Bucket, BucketPlan};
pub use gather::{count_and_gather, gather, gather_bytes, gather_floats};
pub use identity::{Identity, fingerprint, fingerprint_of};
pub use launcher::{Launcher, LauncherFlags, launched};
pub use ordered::{SumOrder, ordered_sum};
pub use shards::{OwnedBucket, Shards};
pub use threads::threads;
pub use world::{Meeting, Opening, World};

use crate::{Error, Result};

/// What a rank leaves as its last words where an engine's failure made it leave: it was not the first.
pub const NOTICED: &str = "noticed";

/// The engine that carries numbers between the ranks of a run.
///
/// Operations are on host memory. A failure is final: an engine whose operation fails aborts at once with the word
/// [`NOTICED`], so that the others notice too; whoever meets another error calls [`Collective::abort`].
pub trait Collective: Send + Sync {
    /// The ranks.
    fn world(&self) -> &World;

    /// The engine's name, its version and the network interface that it uses, for people.
    fn engine(&self) -> String {
        "threads of one process".to_owned()
    }

    /// Starts the sum of every rank's bucket; all get the same bits.
    ///
    /// # Errors
    /// The engine's failure; so for all below.
    fn all_reduce(&self, bucket: Bucket) -> Result<Pending>;

    /// Starts copying rank `root`'s bucket to all.
    ///
    /// # Errors
    /// As above.
    fn broadcast(&self, bucket: Bucket, root: usize) -> Result<Pending>;

    /// Starts an exchange: part k of the bucket goes to rank k, and part k of the result is rank k's. The bucket's length
    /// is a multiple of the number of ranks.
    ///
    /// # Errors
    /// As above.
    fn all_to_all(&self, bucket: Bucket) -> Result<Pending>;

    /// Returns once every rank is here.
    ///
    /// # Errors
    /// As above.
    fn barrier(&self) -> Result<()>;

    /// Rank 0's bytes (at most 64 KiB) for all; the others give `None`. A key is used once.
    ///
    /// # Errors
    /// As above.
    fn share(&self, key: &str, value: Option<&[u8]>) -> Result<Vec<u8>>;

    /// Closes all connections and leaves words for the others, where the engine has a place for them. Only the first call
    /// counts.
    fn abort(&self, words: &str);

    /// After [`Collective::abort`]: what each rank left as its last words, by rank, once no more come; `None` where the
    /// engine can't tell. A rank without words is gone.
    fn fates(&self) -> Option<Vec<Option<String>>>;
}

/// An operation under way, which owns its bucket. Dropped before its end, it waits for it.
#[must_use = "the result is what wait returns"]
pub struct Pending(Option<Box<dyn Transfer>>);

/// What an engine knows of an operation under way. It keeps the bucket for as long as the engine uses the memory, which may
/// be beyond a failure.
pub trait Transfer: Send {
    /// Waits for the end.
    ///
    /// # Errors
    /// The engine's failure.
    fn wait(self: Box<Self>) -> Result<Bucket>;
}

impl Pending {
    /// An engine's operation.
    pub fn new(transfer: impl Transfer + 'static) -> Self {
        Self(Some(Box::new(transfer)))
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// The engine's failure.
    pub fn wait(mut self) -> Result<Bucket> {
        match self.0.take() {
            Some(transfer) => transfer.wait(),
            None => Err(Error::failure("an operation that was waited for before")),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(transfer) = self.0.take() {
            // Its failure was preceded by the one that dropped this.
            drop(transfer.wait());
        }
    }
}

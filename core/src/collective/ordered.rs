//! A sum in the order of the ranks.

use super::{Bucket, Collective};
use crate::Result;

/// In which order the ranks' numbers are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumOrder {
    /// The engine's own, which is the fastest.
    OfEngine,
    /// That of the ranks, as one process adds up its parts.
    OfRanks,
}

impl SumOrder {
    /// As the key `train.deterministic` says.
    pub fn of(deterministic: bool) -> Self {
        if deterministic { Self::OfRanks } else { Self::OfEngine }
    }
}

/// The sum of every rank's bucket as one process adds it up: ((b0 + b1) + b2) + b3, element by element, whatever the
/// engine. Each rank gets all parts of its shard, adds them, and copies the sum to the others: two buckets of memory, and as
/// much traffic as a ring. An engine's own sum goes by its own order; of two ranks both are alike, since addition commutes.
///
/// # Errors
/// The engine's failure.
pub fn ordered_sum(collective: &dyn Collective, mut bucket: Bucket) -> Result<Bucket> {
    let size = collective.world().size;
    let rank = collective.world().rank;
    if size <= 2 {
        return match size {
            1 => Ok(bucket),
            _ => collective.all_reduce(bucket)?.wait(),
        };
    }
    let len = bucket.len();
    let shard = len.div_ceil(size);
    bucket.resize(shard * size);
    let parts = collective.all_to_all(bucket)?.wait()?;
    let mut sum = parts.part(0..shard);
    for k in 1..size {
        sum.add(&parts, k * shard..(k + 1) * shard);
    }
    let mut whole = parts;
    let mut pending = vec![];
    for root in 0..size {
        let part = match root == rank {
            true => sum.clone(),
            // Its values are written over.
            false => whole.part(root * shard..(root + 1) * shard),
        };
        pending.push(collective.broadcast(part, root)?);
    }
    for (root, pending) in pending.into_iter().enumerate() {
        whole.write(root * shard..(root + 1) * shard, &pending.wait()?)?;
    }
    whole.resize(len);
    Ok(whole)
}

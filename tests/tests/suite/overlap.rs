//! Where blocks are recomputed in the backward pass, gradients are on their way to the other ranks while those of the blocks
//! below are made.

use std::sync::{Arc, Mutex};

use palimpsest_core::backend::{Handle, Wrapper};
use palimpsest_core::collective::{Bucket, Collective, Pending, World};
use palimpsest_core::train::Trainer;
use palimpsest_core::{Backend, DeviceHandle, Result};
use palimpsest_tests::batches;
use palimpsest_tests::micro::{self, SHAPE};
use palimpsest_tests::ranks::on_ranks;

/// What a rank does, in order.
type Events = Arc<Mutex<Vec<&'static str>>>;

/// Tells when a backward pass has ended.
struct Watched {
    inner: Arc<dyn Backend>,
    events: Events,
}

impl Wrapper for Watched {
    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let found = self.inner.backward(loss, leaves);
        self.events.lock().unwrap().push("backward");
        found
    }
}

/// Tells when a sum is started.
struct Told {
    inner: Arc<dyn Collective>,
    events: Events,
}

impl Collective for Told {
    fn world(&self) -> &World {
        self.inner.world()
    }

    fn all_reduce(&self, bucket: Bucket) -> Result<Pending> {
        self.events.lock().unwrap().push("sum");
        self.inner.all_reduce(bucket)
    }

    fn broadcast(&self, bucket: Bucket, root: usize) -> Result<Pending> {
        self.inner.broadcast(bucket, root)
    }

    fn all_to_all(&self, bucket: Bucket) -> Result<Pending> {
        self.inner.all_to_all(bucket)
    }

    fn barrier(&self) -> Result<()> {
        self.inner.barrier()
    }

    fn share(&self, key: &str, value: Option<&[u8]>) -> Result<Vec<u8>> {
        self.inner.share(key, value)
    }

    fn abort(&self, words: &str) {
        self.inner.abort(words);
    }

    fn fates(&self) -> Option<Vec<Option<String>>> {
        self.inner.fates()
    }
}

fn events(more: &[&str]) -> Vec<Vec<&'static str>> {
    let recipe = ["encoder.dim=256", "encoder.depth=12", "encoder.heads=4", "train.steps=1"];
    let recipe: Vec<&str> = recipe.iter().chain(more).copied().collect();
    let batch = batches::series(1, 4, SHAPE, 41).remove(0);
    on_ranks(2, |inner| {
        let part = inner.world().share().of(4);
        let events = Events::default();
        let device = micro::device();
        let backend = Arc::new(Watched { inner: device.backend.clone(), events: events.clone() });
        let trainer = Trainer::new(micro::preset("mae", &recipe), DeviceHandle { backend, ..device }, 5);
        let told = Told { inner, events: events.clone() };
        let mut trainer = trainer.unwrap().with_collective(Arc::new(told)).unwrap();
        trainer.train_step(&batch.slice(part.start, part.end), false).unwrap();
        events.lock().unwrap().clone()
    })
}

/// A block of width d has 12 d² + 13 d weights: 3.01 MiB in f32 for d = 256. Eight and a part of the ninth fill a bucket of
/// 25 MiB, which goes when the ninth from the top is done; the rest when the lowest is; and what belongs to no block in the
/// end, followed by the figures.
#[test]
fn sums_of_upper_blocks_are_under_way_while_lower_ones_are_recomputed() {
    let backward = |count: usize| vec!["backward"; count];
    // The losses, then each block, then the embedding.
    let due = [backward(1 + 9), vec!["sum"], backward(3), vec!["sum"], backward(1), vec!["sum"; 2]].concat();
    assert_eq!(events(&["train.checkpoint_blocks=1"]), [due.clone(), due]);
    // With accumulation, in the last part alone.
    let due = [backward(14 + 1 + 9), vec!["sum"], backward(3), vec!["sum"], backward(1), vec!["sum"; 2]];
    let found = events(&["train.checkpoint_blocks=1", "train.accumulate=2"]);
    assert_eq!(found, [due.concat(), due.concat()]);
    // Two blocks at a time: the ninth is done with the tenth.
    let due = [backward(1 + 5), vec!["sum"], backward(1), vec!["sum"], backward(1), vec!["sum"; 2]].concat();
    assert_eq!(events(&["train.checkpoint_blocks=2"]), [due.clone(), due]);
}

/// Nothing is recomputed: all gradients come at once.
#[test]
fn sums_follow_a_plain_backward_pass() {
    let due = [vec!["backward"], vec!["sum"; 4]].concat();
    assert_eq!(events(&[]), [due.clone(), due]);
}

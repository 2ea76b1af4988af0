//! The step: what averages gradients between processes, and what a step that is not finite leaves behind.

use std::sync::{Arc, Barrier, Mutex};

use palimpsest_core::data::Batch;
use palimpsest_core::tensor::{HostData, HostTensor, Tensor};
use palimpsest_core::train::{Checkpoint, Collective, StepReport, Trainer};
use palimpsest_core::{Error, Result};
use palimpsest_tests::batches;
use palimpsest_tests::micro::{self, SHAPE};

const RECIPE: [&str; 6] = [
    "train.ema=0.9",
    "train.steps=12",
    "optimizer.clip=0.5",
    "optimizer.lr=2e-3",
    "optimizer.lr_batch=0",
    "encoder.drop_path=0.2",
];

/// Two processes of a run, which are threads here.
struct Pair {
    rank: usize,
    barrier: Arc<Barrier>,
    /// What each brought, in the order of their ranks.
    brought: Arc<Mutex<[Vec<Option<HostTensor>>; 2]>>,
}

impl Pair {
    fn both() -> [Self; 2] {
        let (barrier, brought) = (Arc::new(Barrier::new(2)), Arc::default());
        [0, 1].map(|rank| Self { rank, barrier: Arc::clone(&barrier), brought: Arc::clone(&brought) })
    }
}

impl Collective for Pair {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        2
    }

    fn average(&self, gradients: &mut [Option<Tensor>]) -> Result<()> {
        let bring = |gradient: &Option<Tensor>| gradient.as_ref().map(Tensor::download).transpose();
        let mine = gradients.iter().map(bring).collect::<Result<Vec<_>>>()?;
        self.brought.lock().unwrap()[self.rank] = mine;
        self.barrier.wait();
        let [first, second] = self.brought.lock().unwrap().clone();
        self.barrier.wait();
        for (gradient, pair) in gradients.iter_mut().zip(first.into_iter().zip(second)) {
            let (Some(tensor), (Some(a), Some(b))) = (&*gradient, pair) else { continue };
            let sum = a.into_f32().into_iter().zip(b.into_f32()).map(|(a, b)| (a + b) * 0.5).collect();
            let mean = HostTensor::new(tensor.shape().clone(), HostData::F32(sum))?;
            *gradient = Some(tensor.device().upload(mean)?);
        }
        if gradients.len() != self.brought.lock().unwrap()[0].len() {
            return Err(Error::failure("the processes brought different gradients"));
        }
        Ok(())
    }
}

fn trainer(preset: &str, overrides: &[&str]) -> Trainer {
    let overrides: Vec<&str> = RECIPE.iter().chain(overrides).copied().collect();
    Trainer::new(micro::preset(preset, &overrides), micro::device(), 5).unwrap()
}

/// The bits of everything that a step may change.
fn bits(checkpoint: &Checkpoint) -> Vec<(String, Vec<u32>)> {
    let bits = |tensor: &HostTensor| tensor.clone().into_f32().into_iter().map(f32::to_bits).collect();
    checkpoint.tensors.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect()
}

/// A rank's reports and its state in the end, on its half of each batch.
fn on_one_rank(preset: &str, batches: &[Batch], pair: Pair) -> (Vec<StepReport>, Checkpoint) {
    let half = 4 * pair.rank;
    let mut trainer = trainer(preset, &["train.batch=4"]).with_collective(Box::new(pair));
    let step = |batch: &Batch| trainer.train_step(&batch.slice(half, half + 4), false).unwrap();
    let reports = batches.iter().map(step).collect();
    (reports, trainer.checkpoint().unwrap())
}

fn on_two_ranks(preset: &str, batches: &[Batch]) -> Vec<(Vec<StepReport>, Checkpoint)> {
    std::thread::scope(|scope| {
        let threads = Pair::both().map(|pair| scope.spawn(move || on_one_rank(preset, batches, pair)));
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// A mean over two processes is a sum over two parts of a batch, as halves are exact.
#[test]
fn two_processes_with_half_a_batch_are_one_with_the_whole() {
    for preset in ["paper", "mae"] {
        let batches = batches::series(12, 8, SHAPE, 31);
        let mut whole = trainer(preset, &["train.batch=8", "train.accumulate=2"]);
        let due: Vec<StepReport> = batches.iter().map(|b| whole.train_step(b, false).unwrap()).collect();
        let due_bits = bits(&whole.checkpoint().unwrap());
        let ranks = on_two_ranks(preset, &batches);
        for (reports, end) in &ranks {
            for (due, found) in due.iter().zip(reports) {
                assert_eq!(due.grad_norm, found.grad_norm, "{preset}, step {}", due.step);
                assert!((due.loss() - found.loss()).abs() <= 1e-6 * due.loss().abs(), "{preset}");
            }
            assert_eq!(due_bits, bits(end), "{preset}");
        }
        let losses = |rank: usize| ranks[rank].0.iter().map(StepReport::loss).collect::<Vec<_>>();
        assert_eq!(losses(0), losses(1), "{preset}: both tell the loss of both");
    }
}

/// What is not finite in one process is not done in any.
#[test]
fn a_bad_image_of_one_process_stops_both() {
    let mut batches = batches::series(4, 8, SHAPE, 32);
    let good = on_two_ranks("paper", &batches[..3]);
    *batches[3].pixels.last_mut().unwrap() = f32::NAN;
    for ((_, before), (reports, after)) in good.iter().zip(on_two_ranks("paper", &batches)) {
        assert!(!reports[3].is_finite());
        assert_eq!(before.state.step, after.state.step);
        assert_eq!(bits(before), bits(&after));
    }
}

/// Weights, moments and averages keep every bit, and the step can be done again.
#[test]
fn nothing_changes_in_a_step_that_is_not_finite() {
    for (preset, overrides) in [
        ("paper", &["train.batch=8"][..]),
        ("mae", &["train.batch=8", "train.accumulate=2", "train.checkpoint_blocks=1"]),
        ("simmim", &["train.batch=8", "precision=bf16"]),
    ] {
        let mut batches = batches::series(5, 8, SHAPE, 33);
        let mut trainer = trainer(preset, overrides);
        for batch in &batches[..4] {
            assert!(trainer.train_step(batch, false).unwrap().is_finite());
        }
        let before = trainer.checkpoint().unwrap();
        for bad in [f32::NAN, f32::INFINITY] {
            let good = std::mem::replace(&mut batches[4].pixels[7], bad);
            let report = trainer.train_step(&batches[4], true).unwrap();
            assert!(!report.is_finite(), "{preset}: {report:?}");
            let after = trainer.checkpoint().unwrap();
            assert_eq!(before.state.step, after.state.step);
            assert_eq!(bits(&before), bits(&after), "{preset}");
            batches[4].pixels[7] = good;
        }
        assert!(trainer.train_step(&batches[4], false).unwrap().is_finite());
        assert_ne!(bits(&before), bits(&trainer.checkpoint().unwrap()), "{preset}");
    }
}

//! Steps in the midst of a graph: on the processor everything but the capture itself, directly and through the C
//! table.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::sync::Arc;

use palimpsest_core::data::Batch;
use palimpsest_core::plugin::LoadedBackend;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::{Checkpoint, Trainer};
use palimpsest_core::{Backend, Device, DeviceHandle};
use palimpsest_tch::Libtorch;

const STEPS: u64 = 20;

const RECIPE: &str = r#"
preset = "paper"
data.image_size = 16
encoder = { patch = 4, dim = 16, depth = 3, heads = 2, drop_path = 0.2 }
corruption.cell = 8
train = { batch = 8, accumulate = 2, ema = 0.9, steps = 20 }
optimizer = { lr = 2e-3, lr_batch = 0, clip = 0.5 }
schedule = { warmup_epochs = 1 }
"#;

fn batch(step: u64) -> Batch {
    let first_sample = 8 * step;
    let mut pixels = vec![0.0; 8 * 3 * 16 * 16];
    for (i, image) in (first_sample..).zip(pixels.chunks_mut(3 * 16 * 16)) {
        Philox::new(3, Stream::Test, 0, i).fill_normal(image);
    }
    Batch {
        pixels: pixels.into(),
        shape: [8, 3, 16, 16],
        labels: vec![-1; 8],
        indices: (0..8).collect(),
        first_sample,
    }
}

fn trainer(backend: Arc<dyn Backend>, graph: &str) -> Trainer {
    let recipe = Recipe::parse("test", RECIPE, &[format!("train.graph={graph}")]).unwrap();
    Trainer::new(recipe, DeviceHandle { backend, id: Device::Cpu }, 5).unwrap()
}

fn train(trainer: &mut Trainer) -> (Vec<f64>, Checkpoint) {
    let losses = (0..STEPS).map(|step| {
        let report = trainer.train_step(&batch(step), step % 7 == 6).unwrap();
        assert!(report.grad_norm.is_finite());
        report.loss()
    });
    (losses.collect(), trainer.checkpoint().unwrap())
}

/// The same arithmetic, to the last bit.
fn assert_same(a: &(Vec<f64>, Checkpoint), b: &(Vec<f64>, Checkpoint)) {
    assert_eq!(a.0, b.0);
    for ((name, a), (_, b)) in a.1.tensors.iter().zip(&b.1.tensors) {
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn a_step_that_writes_in_place_is_the_step() {
    let due = train(&mut trainer(Arc::new(Libtorch::new().unwrap()), "off"));
    let mut direct = trainer(Arc::new(Libtorch::new().unwrap()), "on");
    let found = train(&mut direct);
    assert_same(&due, &found);
    // The processor has no graphs to capture; that is told, and training goes on.
    let told = "steps are not launched as graphs: libtorch captures no graphs on cpu";
    assert_eq!(direct.take_notices(), [told]);

    let library = std::env::current_exe().unwrap();
    let library = library.with_file_name(format!("{DLL_PREFIX}palimpsest_tch{DLL_SUFFIX}"));
    let mut loaded = trainer(Arc::new(LoadedBackend::open(&library).unwrap()), "on");
    let through_the_table = train(&mut loaded);
    assert_eq!(found.1.tensors, through_the_table.1.tensors);
    assert_eq!(loaded.take_notices(), [told]);
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    let mut trainer = trainer(Arc::new(Libtorch::new().unwrap()), "on");
    train(&mut trainer);
    let before = trainer.checkpoint().unwrap();
    let mut bad = batch(STEPS);
    bad.pixels.normalised_mut()[7] = f32::NAN;
    assert!(!trainer.train_step(&bad, false).unwrap().loss().is_finite());
    assert_eq!(before.tensors, trainer.checkpoint().unwrap().tensors);
    assert!(trainer.train_step(&batch(STEPS), false).unwrap().loss().is_finite());
    assert_ne!(before.tensors, trainer.checkpoint().unwrap().tensors);
}

//! The step: what one that is not finite leaves behind.

use palimpsest_core::train::Trainer;
use palimpsest_tests::batches;
use palimpsest_tests::bits::bits;
use palimpsest_tests::micro::{self, SHAPE};

const RECIPE: [&str; 6] = [
    "train.ema=0.9",
    "train.steps=12",
    "optimizer.clip=0.5",
    "optimizer.lr=2e-3",
    "optimizer.lr_batch=0",
    "encoder.drop_path=0.2",
];

fn trainer(preset: &str, overrides: &[&str]) -> Trainer {
    let overrides: Vec<&str> = RECIPE.iter().chain(overrides).copied().collect();
    Trainer::new(micro::preset(preset, &overrides), micro::device(), 5).unwrap()
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
            let good = std::mem::replace(&mut batches[4].pixels.normalised_mut()[7], bad);
            let report = trainer.train_step(&batches[4], true).unwrap();
            assert!(!report.is_finite(), "{preset}: {report:?}");
            let after = trainer.checkpoint().unwrap();
            assert_eq!(before.state.step, after.state.step);
            assert_eq!(bits(&before), bits(&after), "{preset}");
            batches[4].pixels.normalised_mut()[7] = good;
        }
        assert!(trainer.train_step(&batches[4], false).unwrap().is_finite());
        assert_ne!(bits(&before), bits(&trainer.checkpoint().unwrap()), "{preset}");
    }
}

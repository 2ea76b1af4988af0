//! The same twenty steps in PyTorch.

use palimpsest_core::DType;
use palimpsest_tests::parity::{Recorded, record, recipe};
use palimpsest_tests::{files, python};

/// The runs that are compared: preset and overrides.
pub(crate) const RUNS: [(&str, &str, &[&str]); 12] = [
    ("paper", "paper", &[]),
    ("paper-drop-path", "paper", &["encoder.drop_path=0.3"]),
    ("paper-cross-mass", "paper", &["objective.disruption.form=cross-mass", "objective.disruption.weight=1"]),
    ("paper-one-way", "paper", &["objective.disruption.form=one-way", "objective.disruption.weight=1"]),
    ("paper-released", "paper-released", &[]),
    ("simmim", "simmim", &["encoder.drop_path=0.3"]),
    ("mae", "mae", &["optimizer.clip=0.5"]),
    ("diffmae", "diffmae", &[]),
    ("maskdit", "maskdit", &[]),
    ("can", "can", &[]),
    ("maskfeat", "maskfeat", &[]),
    ("pixel-dae", "pixel-dae", &[]),
];

/// Trains in Rust and in Python; returns the worst relative difference of a loss.
fn compare(name: &str, run: &Recorded, dtype: DType) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    files::write(&path, &run.inputs, &[("recipe", run.recipe.to_toml())]);
    let answer = python::run("reference.py", &[&path, std::path::Path::new(dtype.name())]);
    let theirs: Vec<f64> = serde_json::from_value(answer["losses"].clone()).unwrap();
    assert_eq!(theirs.len(), run.losses.len());
    let mut worst = 0.0f64;
    for (step, (a, b)) in run.losses.iter().zip(&theirs).enumerate() {
        let error = (a - b).abs() / b.abs();
        worst = worst.max(error);
        assert!(error < tolerance(dtype), "{name}, step {step}: {a} here, {b} in PyTorch, {:?}, {}", run.scalars[step], answer["scalars"][step]);
    }
    worst
}

/// f32: rounding differs from the first matrix product on and grows with the steps. f64: what
/// remains are constants that are kept in f32 (1 / number of tokens, sine tables), 6e-8 each.
fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F64 { 1e-6 } else { 1e-4 }
}

#[test]
#[expect(clippy::print_stdout, reason = "figures, and why a check was skipped")]
fn twenty_steps() {
    if let Err(reason) = python::available("torch, safetensors, numpy") {
        println!("skipped: {reason}");
        return;
    }
    for (name, preset, overrides) in RUNS {
        let [f32, f64] = [DType::F32, DType::F64]
            .map(|dtype| compare(name, &record(recipe(preset, overrides), dtype), dtype));
        println!("{name:20} worst relative difference of a loss: {f32:.1e} in f32, {f64:.1e} in f64");
    }
}

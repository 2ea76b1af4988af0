//! The same twenty steps in PyTorch.

use palimpsest_core::DType;
use palimpsest_tests::parity::{record, recipe};
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

/// The worst relative difference of a loss, and its step.
fn worst(ours: &[f64], theirs: &[f64]) -> (f64, usize) {
    assert_eq!(ours.len(), theirs.len());
    let errors = ours.iter().zip(theirs).enumerate().map(|(step, (a, b))| ((a - b).abs() / b.abs(), step));
    errors.fold((0.0, 0), |worst, error| if error.0 > worst.0 || error.0.is_nan() { error } else { worst })
}

/// f32: rounding differs from the first matrix product on and grows with the steps. f64: what
/// remains are constants that are kept in f32 (1 / number of tokens, sine tables), 6e-8 each, and
/// their growth over twenty steps of Adam, which divides small gradients by their own size.
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
    let folder = tempfile::tempdir().unwrap();
    let (mut runs, mut paths) = (vec![], vec![]);
    for (name, preset, overrides) in RUNS {
        for dtype in [DType::F32, DType::F64] {
            let run = record(recipe(preset, overrides), dtype);
            let path = folder.path().join(format!("{name}-{dtype}.safetensors"));
            let metadata = [("recipe", run.recipe.to_toml()), ("dtype", dtype.name().to_owned())];
            files::write(&path, &run.inputs, &metadata);
            paths.push(path);
            runs.push((name, dtype, run));
        }
    }
    // One process for all: importing torch takes longer than a run.
    let answers = python::run("reference.py", &paths.iter().map(|p| &**p).collect::<Vec<_>>());
    let mut failed = vec![];
    for (i, (name, dtype, run)) in runs.iter().enumerate() {
        let theirs: Vec<f64> = serde_json::from_value(answers[i]["losses"].clone()).unwrap();
        let (error, step) = worst(&run.losses, &theirs);
        println!("{name:20} in {dtype}: losses differ by at most {error:.1e} (step {step})");
        if error.is_nan() || error > tolerance(*dtype) {
            failed.push(format!(
                "{name} in {dtype}, step {step}: {:?} here, {} in PyTorch\n{:?}\n{theirs:?}",
                run.scalars[step], answers[i]["scalars"][step], run.losses
            ));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

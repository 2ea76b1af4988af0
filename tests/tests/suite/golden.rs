//! Twenty steps against PyTorch's losses and weights, from a file: no Python is needed.

use std::path::Path;

use palimpsest_core::DType;
use palimpsest_tests::files::{self, Named, f64s, here, read};
use palimpsest_tests::parity::{Recorded, recipe, record};

const RUNS: [&str; 4] = ["paper", "simmim", "mae", "diffmae"];

fn run(name: &str, dtype: DType) -> Recorded {
    record(recipe(name, &["encoder.drop_path=0.2"]), dtype)
}

/// Writes the inputs of the runs, for golden/make.py.
#[test]
#[ignore = "golden/make.py runs it"]
fn export_runs() {
    let folder = std::env::var("PALIMPSEST_EXPORT").expect("PALIMPSEST_EXPORT, a folder");
    for name in RUNS {
        let run = run(name, DType::F64);
        let metadata = [("recipe", run.recipe.to_toml()), ("dtype", "f64".to_owned())];
        files::write(&Path::new(&folder).join(format!("{name}.safetensors")), &run.inputs, &metadata);
    }
}

/// The sums of make.py: they change where a weight, pixel, plan or noise value does.
fn checksum(inputs: &Named, kind: &str) -> f64 {
    let tensors = inputs.iter().filter(|(name, _)| name.split('.').next() == Some(kind));
    let weighted = |(i, v): (usize, f64)| v * ((i + 1) % 97) as f64;
    tensors.map(|(_, t)| t.clone().into_f64().into_iter().enumerate().map(weighted).sum::<f64>()).sum()
}

#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn twenty_steps_as_pytorch_took_them() {
    let golden = read(&here("golden/runs.safetensors"));
    for name in RUNS {
        let precise = run(name, DType::F64);
        for kind in ["weight", "batch", "roles", "gain", "noise", "level", "eps-tokens", "eps-pixels", "drop"]
        {
            let key = format!("{name}/inputs/{kind}");
            if golden.contains_key(&key) {
                let (found, want) = (checksum(&precise.inputs, kind), f64s(&golden, &key)[0]);
                assert!((found - want).abs() <= 1e-6 * want.abs().max(1.0), "{key}: {found}, not {want}");
            }
        }
        let want = f64s(&golden, &format!("{name}/losses"));
        let worst = |run: &Recorded| {
            run.losses.iter().zip(&want).fold(0.0f64, |m, (a, b)| m.max((a - b).abs() / b.abs()))
        };
        let (f64_error, f32_error) = (worst(&precise), worst(&run(name, DType::F32)));
        println!("{name:10} losses differ from PyTorch's by {f32_error:.1e} in f32, {f64_error:.1e} in f64");
        // As in pytorch.rs.
        assert!(f64_error < 1e-7 && f32_error < 1e-5, "{name}");
        for (parameter, values) in &precise.weights {
            let want = f64s(&golden, &format!("{name}/weights/{parameter}"));
            let size: f64 = values.iter().map(|v| v.abs()).sum();
            assert!(
                (size - want[0]).abs() <= 5e-6 * values.len() as f64,
                "{name}: {parameter}: {size}, not {}",
                want[0]
            );
            for (a, b) in values.iter().zip(&want[1..]) {
                assert!((a - b).abs() <= 5e-6, "{name}: {parameter}: {a}, not {b}");
            }
        }
    }
}

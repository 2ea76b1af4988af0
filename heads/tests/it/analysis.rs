//! The measures of features against NumPy's figures (golden/make_analysis.py).

use palimpsest_heads::analysis::{AttentionDistance, LinearCka, Spectrum, SpectrumPoint, rank_me};
use serde_json::Value;

fn golden(subject: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/analysis.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).expect("the golden file")).expect("JSON");
    all[subject].clone()
}

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).expect("numbers")
}

fn size(case: &Value, key: &str) -> usize {
    case[key].as_u64().expect("a size") as usize
}

/// Both sides in f64 from the same f32 inputs.
fn close(ours: &[f64], theirs: &Value, tolerance: f64) {
    let theirs: Vec<f64> = serde_json::from_value(theirs.clone()).expect("numbers");
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(&theirs) {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} and {b}");
    }
}

fn points(ours: &[SpectrumPoint], theirs: &Value) {
    for (i, point) in ours.iter().enumerate() {
        close(&[point.frequency, point.relative_log_amplitude], &theirs[i], 1e-10);
    }
    assert_eq!(ours.len(), theirs.as_array().expect("points").len());
}

#[test]
fn spectra() {
    for case in golden("spectrum").as_array().expect("cases") {
        let (h, w, dim) = (size(case, "h"), size(case, "w"), size(case, "dim"));
        let mut spectrum = Spectrum::new(h, w);
        floats(&case["tokens"]).chunks(h * w * dim).for_each(|image| spectrum.add(image, dim));
        close(&spectrum.log_amplitudes(), &case["log"], 1e-10);
        points(&spectrum.radial(), &case["radial"]);
        points(&spectrum.diagonal(), &case["diagonal"]);
    }
}

#[test]
fn attention_distances() {
    for case in golden("attention").as_array().expect("cases") {
        let grid = (size(case, "h"), size(case, "w"));
        let (patch, prefix, heads) = (size(case, "patch"), size(case, "prefix"), size(case, "heads"));
        let mut distance = AttentionDistance::new(grid, patch, prefix, heads);
        distance.add(&floats(&case["probabilities"]));
        // Distances are kept in f32.
        close(&distance.means(), &case["means"], 1e-6);
        close(&[distance.uniform()], &Value::from(vec![case["uniform"].as_f64()]), 1e-6);
    }
}

#[test]
fn effective_ranks() {
    for case in golden("rank").as_array().expect("cases") {
        let rank = rank_me(&floats(&case["features"]), size(case, "width"));
        // Singular values below 1e-8 of the largest are roots of rounding errors here.
        close(&[rank], &Value::from(vec![case["rank"].as_f64()]), 1e-5);
    }
    assert_eq!(rank_me(&[], 4), 0.0);
    assert_eq!(rank_me(&[0.0; 8], 4), 0.0);
}

#[test]
fn similarities() {
    let case = golden("similarity");
    let mut cka = LinearCka::new(3);
    for batch in case["batches"].as_array().expect("batches") {
        let features: Vec<Vec<f32>> = batch.as_array().expect("features").iter().map(floats).collect();
        cka.add(&features, size(&case, "images"));
    }
    // Too few images to say anything.
    cka.add(&vec![vec![1.0; 3]; 3], 3);
    for (ours, theirs) in cka.matrix().iter().zip(case["cka"].as_array().expect("rows")) {
        close(ours, theirs, 1e-9);
    }
}

//! `analyse` as a user runs it.

use std::fs;

use serde_json::Value;

use crate::driver::{folder, run, stderr, succeed};

#[test]
fn runs_beside_their_random_initialisations() {
    let folder = folder();
    let path = folder.path();
    for seed in ["0", "1"] {
        let (seed, out) = (format!("seed={seed}"), format!("run-{seed}"));
        succeed(path, &["pretrain", "tiny.toml", "--steps", "2", &seed, "--out", &out]);
    }
    let output = succeed(path, &["analyse", "run-0", "run-1", "--images", "70", "--out", "both", "--json"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let found: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let encoders = found["encoders"].as_array().expect("encoders");
    let names: Vec<&str> = encoders.iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(names, ["run-0", "run-0, random initialisation", "run-1", "run-1, random initialisation"]);
    for encoder in encoders {
        assert_eq!(encoder["images"].as_u64(), Some(70));
        let stages = encoder["stages"].as_array().expect("stages");
        assert_eq!(stages.len(), 5, "embedding, three blocks, norm");
        for stage in stages {
            let rank = stage["effective_rank"].as_f64().expect("a rank");
            assert!((1.0..=16.1).contains(&rank), "{stage}");
            assert_eq!(stage["radial"][0]["relative_log_amplitude"].as_f64(), Some(0.0));
        }
        let uniform = encoder["uniform_attention_distance"].as_f64().expect("a distance");
        for head in encoder["attention_distance"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|b| b.as_array())
            .flatten()
        {
            let distance = head.as_f64().expect("a distance");
            assert!(distance > 0.0 && distance < 2.0 * uniform, "{distance} of {uniform}");
        }
    }
    let matrix = found["cka"]["matrix"].as_array().expect("a matrix");
    assert_eq!(matrix.len(), 20);
    for (i, row) in matrix.iter().enumerate() {
        assert!((row[i].as_f64().expect("a share") - 1.0).abs() < 1e-9);
    }
    for file in
        ["analysis.html", "analysis.json", "spectrum.csv", "stages.csv", "attention_distance.csv", "cka.csv"]
    {
        assert!(fs::metadata(path.join("both").join(file)).expect(file).len() > 100, "{file}");
    }
    // Well-formed as the other pages are, and with nothing from elsewhere.
    let page = fs::read_to_string(path.join("both/analysis.html")).expect("read");
    assert!(page.matches("<svg").count() == page.matches("</svg>").count() && page.contains("run-1"));
    assert!(!page.contains("http://") && !page.contains("https://"));

    succeed(path, &["analyse", "run-0", "--images", "10", "--no-baseline"]);
    assert!(path.join("run-0/analysis/analysis.html").is_file());
    let output = run(path, &["analyse", "nothing"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("holds no run"));
}

//! Backends side by side.

use std::fs;

use serde_json::Value;

use crate::driver::{folder, succeed};

#[test]
fn a_comparison_tells_rates_and_leaves_out_what_nobody_knows() {
    let folder = folder();
    let args =
        ["compare", "tiny.toml", "--backends", "burn,dfdx", "--steps", "6", "--turn", "2", "--warm-up", "2"];
    let output = succeed(folder.path(), &[&args[..], &["--out", "out", "--json"]].concat());
    let told: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let figures = told["contenders"].as_array().expect("a list");
    assert_eq!(figures.len(), 2, "{told}");
    let file = |name: &str| fs::read_to_string(folder.path().join("out").join(name)).expect(name);
    let environment: Value = serde_json::from_str(&file("env.json")).expect("JSON");
    let flops = environment["work"]["flops"]["forward"].as_f64().expect("a number")
        + environment["work"]["flops"]["backward"].as_f64().expect("a number");
    for figures in figures {
        assert!(figures["loss_difference"].as_f64() < Some(1e-4), "{figures}");
        let rate = flops / (1e-3 * figures["step_ms"].as_f64().expect("a number")) * 1e-12;
        let error = figures["tflops"].as_f64().expect("a number") / rate - 1.0;
        assert!(error.abs() < 1e-9, "{figures}");
        // No processor's peak is known.
        assert!(figures["mfu"].is_null(), "{figures}");
        // Where this machine lets its counters be read, all of the energy is the processors'.
        assert_eq!(figures["joules_per_image"], figures["host_joules_per_image"], "{figures}");
        assert!(figures["device_joules_per_image"].is_null(), "{figures}");
    }
    assert!(environment["gpu"].is_null() && environment["device"] == "cpu", "{environment}");
    let raw = file("raw.csv");
    let heads: Vec<&str> = raw.lines().next().expect("heads").split(',').collect();
    assert_eq!(heads[heads.len() - 3..], ["device_process", "host_joules", "device_joules"]);
    assert_eq!(raw.lines().count(), 1 + 2 * 6);
    assert!(raw.lines().all(|line| line.split(',').count() == heads.len()), "{raw}");
    for page in [file("report.md"), file("report.html")] {
        assert!(page.contains("TFLOP/s") && page.contains("MFU") && page.contains("J/image"), "{page}");
    }
}

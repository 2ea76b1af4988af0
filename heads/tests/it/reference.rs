//! Golden files, and new cases from the Python libraries where they can be imported.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The figures of the reference libraries are ratios of whole numbers in f64 (means of f32 excepted,
/// which are checked to 1e-6 where they are made).
pub(crate) const TOLERANCE: f64 = 1e-9;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden(subject: &str) -> Value {
    let path = folder().join(format!("{subject}.json"));
    serde_json::from_slice(&std::fs::read(path).expect("the golden file")).expect("JSON")
}

/// New cases of a subject; none, with the reason on standard error, where `modules` are missing.
fn fresh(subject: &str, modules: &str, seeds: std::ops::Range<u64>) -> Option<Value> {
    let probe = Command::new("python3").args(["-c", &format!("import {modules}")]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("passed over: python3 can't import {modules}");
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(folder().join("make.py")).arg(subject).args(seeds.map(|seed| seed.to_string()));
    let output = command.output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// Checks the golden cases, and those of a few new seeds where the machine can make them.
pub(crate) fn each_case(subject: &str, modules: &str, check: impl Fn(&Value)) {
    list(&golden(subject)).iter().for_each(&check);
    if let Some(cases) = fresh(subject, modules, 1..6) {
        list(&cases).iter().for_each(&check);
    }
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(number).collect()
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

pub(crate) fn integers(value: &Value) -> Vec<i64> {
    list(value).iter().map(|v| v.as_i64().expect("a whole number")).collect()
}

#[track_caller]
pub(crate) fn close(have: f64, want: f64, what: &str) {
    assert!((have - want).abs() <= TOLERANCE, "{what}: {have}, the reference has {want}");
}

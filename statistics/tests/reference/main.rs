//! The crate's figures against those of scipy, statsmodels and plain enumeration, which `reference.py` prints.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

mod comparison;
mod effects;
mod intervals;
mod resampling;
mod tests_of_hypotheses;

use std::path::{Path, PathBuf};
use std::process::Command;

use comparison::Reference;

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file)
}

fn compare(reference: &Reference) {
    tests_of_hypotheses::compare(reference);
    effects::compare(reference);
    intervals::compare(reference);
    resampling::compare(reference);
    reference.all_were_read();
}

#[test]
fn as_the_golden_file() {
    compare(&Reference::parse(&std::fs::read_to_string(here("golden.json")).expect("golden.json")));
}

/// With other data than the golden file's, and the versions that this machine has.
#[test]
fn as_scipy_and_statsmodels_here() {
    let python = |arguments: &[&str]| Command::new("python3").current_dir(here("")).args(arguments).output();
    if !python(&["-c", "import scipy, statsmodels"]).is_ok_and(|output| output.status.success()) {
        eprintln!("as_scipy_and_statsmodels_here is passed over: python3 can't import scipy and statsmodels");
        return;
    }
    // -B: no compiled Python beside the sources.
    let output = python(&["-B", "reference.py", "1"]).expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    compare(&Reference::parse(&String::from_utf8_lossy(&output.stdout)));
}

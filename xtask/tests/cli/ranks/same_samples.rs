//! Which images a step has, whatever happened before it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{has, logged, start};
use crate::driver::{folder, succeed};
use crate::survival::wait_for;

const BATCH: usize = 12;
const STEPS: usize = 400;

/// The images of each line that any process wrote, with the number of the first one.
fn lines(run: &Path) -> Vec<(usize, Vec<u64>)> {
    let mut all = vec![];
    for rank in 0..3 {
        let text = fs::read_to_string(run.join(format!("samples-{rank}.jsonl"))).unwrap_or_default();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            let first = line["first_sample"].as_u64().expect("a number") as usize;
            let step = line["step"].as_u64().expect("a number") as usize;
            assert_eq!(step, first / BATCH + 1);
            let indices = line["indices"].as_array().expect("a list").iter().filter_map(Value::as_u64);
            all.push((first, indices.collect()));
        }
    }
    all
}

/// Killed at any moment, and gone on with by 2, 3 and 1 processes, with or without accumulation.
#[test]
fn killed_runs_go_on_with_the_same_samples_in_any_number() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let steps = STEPS.to_string();
    let args = ["pretrain", "tiny.toml", "train.batch=12", "--steps", &steps, "train.log_samples=true"];
    let quiet = ["train.log_every=1", "train.checkpoint_every=0.02", "train.samples_every=1000"];
    let args = [&args[..], &quiet].concat();
    succeed(path, &[&args[..], &["--out", "whole"]].concat());
    let mut whole = vec![];
    for (first, images) in lines(&path.join("whole")) {
        assert_eq!(first, whole.len());
        whole.extend(images);
    }
    assert_eq!(whole.len(), BATCH * STEPS);

    let run = path.join("killed");
    let mut ranks = start(path, &[&args[..], &["--out", "killed"]].concat(), 1);
    // Steps between two deaths, as odd as they come.
    for (size, more) in [(2, 37), (3, 61), (1, 5), (3, 23)] {
        let before = logged(&run);
        wait_for("some steps", || logged(&run) > before + more);
        ranks.children.iter_mut().for_each(|child| child.kill().expect("killed"));
        ranks.outputs();
        ranks = start(path, &["resume", "killed"], size);
    }
    assert!(ranks.outputs().iter().all(|output| output.status.success()));
    let mut seen: BTreeMap<usize, u64> = BTreeMap::new();
    let found = lines(&run);
    for (first, images) in &found {
        assert_eq!(images[..], whole[*first..first + images.len()], "from sample {first}");
        seen.extend((*first..).zip(images.iter().copied()));
    }
    assert_eq!(seen.len(), BATCH * STEPS, "every sample came");
    assert!([4, 6, 12].iter().all(|share| found.iter().any(|(_, images)| images.len() == *share)));
}

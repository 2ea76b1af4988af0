//! Ranks train what one process trains, and measure what it measures.

use std::fs;

use serde_json::Value;

use super::{figures, has, logged, start};
use crate::driver::{folder, stderr, succeed};
use crate::signals::send;
use crate::survival::{last_tensors, wait_for};

const QUIET: [&str; 3] = ["train.log_every=1", "train.samples_every=100", "train.checkpoint_every=100"];

/// In the order of the ranks: the bits of one process with as many parts.
#[test]
fn ranks_through_gloo_are_one_process_with_as_many_parts_bit_by_bit() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    for (size, deterministic) in [(2, "false"), (4, "true")] {
        let parts = format!("train.accumulate={size}");
        let (alone, together) = (format!("alone-{size}"), format!("together-{size}"));
        let args = [&["pretrain", "tiny.toml"][..], &QUIET].concat();
        succeed(path, &[&args[..], &["--out", &alone, &parts]].concat());
        let order = format!("train.deterministic={deterministic}");
        let outputs = start(path, &[&args[..], &["--out", &together, &order]].concat(), size).succeed();
        assert!(
            stderr(&outputs[0])
                .contains(&format!("{size} processes by RANK and WORLD_SIZE, this is 0; gloo"))
        );
        assert!(
            outputs[1..].iter().all(|o| o.stderr.is_empty() && o.stdout.is_empty()),
            "rank 0 alone prints"
        );
        assert_eq!(figures(&path.join(&alone)), figures(&path.join(&together)));
        assert!(
            last_tensors(&path.join(&alone)) == last_tensors(&path.join(&together)),
            "{size}: other weights"
        );
    }
}

/// A run that goes on with another number of ranks goes on with the same samples.
#[test]
fn four_ranks_then_two_then_three() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let batch = ["train.batch=12", "--steps", "60000"];
    let args = [&["pretrain", "tiny.toml", "--out", "elastic"][..], &batch, &QUIET].concat();
    let mut ranks = start(path, &args, 4);
    let run = path.join("elastic");
    let steps = || logged(&run);
    for next in [2, 3] {
        let before = steps();
        wait_for("ten steps", || steps() > before + 10);
        // One alone is asked, and all stop after the same step.
        send(&ranks.children[1], "TERM");
        let outputs = ranks.outputs();
        let texts: Vec<String> = outputs.iter().map(stderr).collect();
        assert!(outputs.iter().all(|output| output.status.code() == Some(75)), "{texts:#?}");
        assert!(texts[0].contains("a checkpoint was written"), "{texts:#?}");
        ranks = start(path, &["resume", "elastic", "train.log_every=1"], next);
    }
    let before = steps();
    wait_for("ten steps", || steps() > before + 10);
    send(&ranks.children[0], "USR1");
    ranks.outputs();
    let found = figures(&run);
    let count = found.len();
    let alone = [&["pretrain", "tiny.toml", "--out", "alone", "train.batch=12"][..], &QUIET].concat();
    // The schedule is that of the whole run.
    let config = fs::read_to_string(run.join("config.toml")).expect("a recipe");
    assert!(config.contains("steps = 60000"));
    let mut child = crate::driver::command(path, &[&alone[..], &["--steps", "60000"]].concat())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the driver starts");
    let due = path.join("alone");
    wait_for("as many steps", || logged(&due) >= count);
    send(&child, "TERM");
    child.wait().expect("ended");
    let due = figures(&due);
    for (due, found) in due.iter().zip(&found) {
        assert_eq!(due.0, found.0);
        // Sums of other numbers of parts differ by rounding, which training carries on.
        assert!((due.1 - found.1).abs() <= 1e-4 * due.1.abs(), "step {}: {} {}", due.0, due.1, found.1);
    }
}

/// 1,003 test images on four ranks: a remainder counts once.
#[test]
fn scores_are_those_of_one_process_to_the_last_digit() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let heads = ["eval.heads=[\"knn\", \"linear\"]", "eval.train_images=500", "eval.test_images=1003"];
    let args = [&["pretrain", "tiny.toml", "--steps", "4", "--json"][..], &heads, &QUIET].concat();
    let alone = succeed(path, &[&args[..], &["--out", "alone", "train.accumulate=4"]].concat());
    let together =
        start(path, &[&args[..], &["--out", "together", "train.deterministic=true"]].concat(), 4).succeed();
    let eval = |output: &std::process::Output| {
        let line: Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
        line["eval"].clone()
    };
    assert_eq!(eval(&alone), eval(&together[0]));
    assert!(eval(&alone)["pretrained"]["knn"]["test"]["images"] == 1003, "{}", eval(&alone));
}

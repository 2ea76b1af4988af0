//! A study whose processes are killed at random moments, over and over: nothing is lost, nothing is done twice, and the table is
//! that of a study that nobody disturbed.
//!
//! `PALIMPSEST_STUDY_KILLS` is the number of kills, `PALIMPSEST_KILLS_SEED` what their moments follow from.
#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "tells how many were killed")]

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use palimpsest_core::random::{Philox, Stream};
use serde_json::Value;

use crate::driver::{command, folder, stderr, succeed};
use crate::signals::send;

const KILLS: u64 = 12;

/// Twelve trials.
const STUDY: &str = r#"
name = "tiny"
recipe = "tiny.toml"
seeds = [0, 1, 2]
[set]
"train.steps" = 30
"eval.train_images" = 64
"eval.test_images" = 64
[[grid]]
[grid.axes]
"noise.share" = [0.25, 0.5, 0.75, 1.0]
[[head]]
head = "knn"
[[compare]]
name = "More noise is better"
a = { "noise.share" = 1.0 }
b = { "noise.share" = 0.25 }
"#;

fn start(path: &Path) -> Child {
    let args = ["study", "run", "study.toml", "--out", "s/tiny", "--workers", "2"];
    let mut command = command(path, &args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the driver starts")
}

/// What a study found, without what it took.
fn found(study: &Path) -> Value {
    let text = fs::read(study.join("results.json")).expect("results");
    let mut results: Value = serde_json::from_slice(&text).expect("JSON");
    results["costs"].take();
    results
}

#[test]
fn a_killed_study_ends_as_an_undisturbed_one() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("PALIMPSEST_STUDY_KILLS").unwrap_or(KILLS);
    let mut random = Philox::new(number("PALIMPSEST_KILLS_SEED").unwrap_or(0), Stream::Head, 0, 0);
    let whole = folder();
    fs::write(whole.path().join("study.toml"), STUDY).expect("written");
    succeed(whole.path(), &["study", "run", "study.toml", "--out", "s/tiny", "--workers", "2"]);

    let folder = folder();
    let path = folder.path();
    fs::write(path.join("study.toml"), STUDY).expect("written");
    let mut killed = 0;
    let (mut ended, mut rounds) = (0, 0);
    while killed < kills {
        // Once all is measured, it is begun anew: further kills have something to disturb.
        if ended > 0 {
            check(path, &whole.path().join("s/tiny"));
            fs::remove_dir_all(path.join("s")).expect("removed");
            (ended, rounds) = (0, rounds + 1);
        }
        let mut child = start(path);
        std::thread::sleep(Duration::from_millis(50 + random.below(1200) as u64));
        if child.try_wait().expect("asked").is_none() {
            send(&child, "KILL");
            killed += 1;
        }
        let output = child.wait_with_output().expect("ended");
        let text = stderr(&output);
        assert!(!text.contains("panicked") && matches!(output.status.code(), None | Some(0)), "{text}");
        ended += u64::from(output.status.success());
    }
    succeed(path, &["study", "run", "study.toml", "--out", "s/tiny", "--workers", "2"]);
    check(path, &whole.path().join("s/tiny"));
    println!("{killed} kills, {} studies", rounds + 1);
}

/// All is measured, once, with the scores of an undisturbed study.
fn check(path: &Path, undisturbed: &Path) {
    // A trial of a process that was killed at the end may still be given back.
    succeed(path, &["study", "run", "study.toml", "--out", "s/tiny"]);
    assert_eq!(found(&path.join("s/tiny")), found(undisturbed));
    for trial in fs::read_dir(path.join("s/trials")).expect("trials") {
        let trial = trial.expect("listed").path();
        let log = fs::read_to_string(trial.join("run/train.log")).expect("a log");
        assert_eq!(log.matches("trained 30 steps").count(), 1, "{log}");
        assert!(!trial.join("failed.json").exists(), "{}", trial.display());
    }
}

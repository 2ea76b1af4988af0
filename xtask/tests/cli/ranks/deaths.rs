//! A rank that is killed: the others notice at once, say who it was, save what there is, and the run goes on as if nothing had
//! been. `PALIMPSEST_DEATHS` is the number of moments, `PALIMPSEST_DEATHS_SEED` what they follow from.
#![allow(clippy::print_stdout, reason = "tells the moments")]

use std::fs;
use std::time::{Duration, Instant};

use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::train::RunFolder;

use super::two_hosts::TwoHosts;
use super::{figures, has, logged, start};
use crate::driver::{folder, stderr, succeed};
use crate::signals::send;
use crate::survival::{last_tensors, wait_for};

const TRAINING: [&str; 11] = [
    "tiny.toml",
    // A rank that is killed before it has met the others is waited for.
    "--time-limit",
    "10",
    "train.deterministic=true",
    "train.log_every=1",
    "train.samples_every=0.02",
    "train.checkpoint_every=0.006",
    "eval.heads=[\"knn\"]",
    "eval.every=0.02",
    "eval.train_images=64",
    "eval.test_images=64",
];

/// The others end with status 3 and a sentence; what is resumed is what it would have been.
#[test]
fn killed_in_any_phase() {
    if !has("gloo") {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let moments = number("PALIMPSEST_DEATHS").unwrap_or(6);
    let seed = number("PALIMPSEST_DEATHS_SEED").unwrap_or(1);
    let folder = folder();
    let path = folder.path();
    let size = 4;
    let args = [&["pretrain"][..], &TRAINING, &["--out"]].concat();
    let started = Instant::now();
    start(path, &[&args[..], &["whole"]].concat(), size).succeed();
    let undisturbed = started.elapsed();
    let due = last_tensors(&path.join("whole"));
    let mut random = Philox::new(seed, Stream::Test, 13, 0);
    let (mut met, mut slowest) = (0, Duration::ZERO);
    for moment in 0..4 * moments {
        // On a busy machine all moments may fall behind a run's end: then there are more of them.
        if moment >= moments && met > 0 {
            break;
        }
        let name = format!("run-{moment}");
        let run = path.join(&name);
        let mut ranks = start(path, &[&args[..], &[&name]].concat(), size);
        std::thread::sleep(undisturbed.mul_f64(random.uniform_f64()));
        let victim = random.below(size);
        let ended = ranks.children[victim].try_wait().expect("asked").is_some();
        if !ended {
            send(&ranks.children[victim], "KILL");
        }
        let killed = Instant::now();
        let outputs = ranks.outputs();
        let took = killed.elapsed();
        let texts: Vec<String> = outputs.iter().map(stderr).collect();
        let place = format!("moment {moment}, rank {victim}: {texts:#?}");
        if !ended {
            slowest = slowest.max(took);
            for (rank, output) in outputs.iter().enumerate().filter(|(rank, _)| *rank != victim) {
                // At its very end a rank may have done its part.
                let code = output.status.code();
                assert!(matches!(code, Some(0 | 1 | 3)), "{place}: rank {rank}: {code:?}");
                if code == Some(3) {
                    met += 1;
                    assert!(texts[rank].contains(&format!("error: rank {rank}: ")), "{place}");
                    assert!(!texts[rank].contains("panicked"), "{place}");
                }
            }
        }
        if run.join("config.toml").exists() {
            RunFolder::open(&run).and_then(|folder| folder.newest()).expect("a good newest checkpoint");
            start(path, &["resume", &name], size).succeed();
            assert!(last_tensors(&run) == due, "{place}: other weights");
            let steps: Vec<u64> = figures(&run).into_iter().map(|(step, ..)| step).collect();
            assert_eq!(steps, (1..=30).collect::<Vec<_>>(), "{place}");
        }
    }
    assert!(met > 0, "no survivor met a death");
    println!("{moments} deaths, {met} survivors with status 3, the slowest party ended after {slowest:?}");
}

/// A survivor's own checkpoint is what the run goes on from.
#[test]
fn what_survivors_have_is_saved() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let args = [
        "pretrain",
        "tiny.toml",
        "--out",
        "run",
        "--steps",
        "100000",
        "train.log_every=1",
        "train.checkpoint_every=1000",
    ];
    let ranks = start(path, &args, 4);
    let run = path.join("run");
    wait_for("some steps", || logged(&run) > 20);
    send(&ranks.children[2], "KILL");
    let outputs = ranks.outputs();
    let texts: Vec<String> = outputs.iter().map(stderr).collect();
    for rank in [0, 1, 3] {
        assert_eq!(outputs[rank].status.code(), Some(3), "{texts:#?}");
        assert!(
            texts[rank].contains(&format!("error: rank {rank}: rank 2 is gone, or hangs: ")),
            "{texts:#?}"
        );
    }
    assert!(texts[0].contains("what this one has is saved in run/checkpoints/rescue-"), "{texts:#?}");
    assert!(texts[1].contains("rank 0 saves what there is"), "{texts:#?}");
    let newest = RunFolder::open(&run).and_then(|folder| folder.newest()).expect("read").expect("one");
    assert!(newest.checkpoint.state.step >= 20, "{:?}", newest.path);
    let resumed = start(path, &["resume", "run", "train.checkpoint_every=1000"], 2);
    let step = newest.checkpoint.state.step;
    wait_for("further steps", || figures(&run).last().is_some_and(|(last, ..)| *last > step + 5));
    send(&resumed.children[1], "TERM");
    let texts: Vec<String> = resumed.outputs().iter().map(stderr).collect();
    assert!(texts[0].contains(&format!("resuming at step {step} of 100000")), "{texts:#?}");
}

/// A failure of one rank's own is told to all.
#[test]
fn a_full_disk_of_rank_0_is_told_by_all() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "4"]);
    // What stands in its place can't be written.
    let blocked = path.join("run/train.log");
    fs::remove_file(&blocked).expect("it was there");
    std::os::unix::fs::symlink("/dev/full", &blocked).expect("linked");
    let _ = fs::remove_file(path.join("run/report.html"));
    let outputs = start(path, &["resume", "run"], 2).outputs();
    let texts: Vec<String> = outputs.iter().map(stderr).collect();
    assert!(outputs.iter().all(|output| !output.status.success()), "{texts:#?}");
    assert!(texts[1].contains("error: rank 1: rank 0 failed: "), "{texts:#?}");
}

/// Neither hears of the other any more: the limit ends both, each with a sentence.
#[test]
#[allow(clippy::print_stderr, reason = "tells what was passed over")]
fn a_network_that_parts() {
    if !has("gloo") {
        return;
    }
    let Some(hosts) = TwoHosts::new() else {
        eprintln!("passed over: this user may not make network namespaces");
        return;
    };
    let folder = folder();
    let path = folder.path();
    let args = [
        "pretrain",
        "tiny.toml",
        "--out",
        "run",
        "--steps",
        "1000000",
        "--time-limit",
        "4",
        "train.log_every=1",
    ];
    let children = [0, 1].map(|number| {
        let command = super::rank(path, &args, number, 2, 29517);
        hosts.rank(&command, number).spawn().expect("ip starts")
    });
    let mut ranks = super::Ranks { children: children.into() };
    wait_for("some steps", || {
        let ended = ranks.children[0].try_wait().expect("asked");
        assert!(ended.is_none(), "ended: {ended:?}");
        logged(&path.join("run")) > 10
    });
    hosts.cut();
    let outputs = ranks.outputs();
    let texts: Vec<String> = outputs.iter().map(stderr).collect();
    assert!(outputs.iter().all(|output| output.status.code() == Some(3)), "{texts:#?}");
    assert!(texts[0].contains("error: rank 0: rank 1 is gone"), "{texts:#?}");
    assert!(texts[1].contains("error: rank 1: "), "{texts:#?}");
    assert!(RunFolder::open(&path.join("run")).and_then(|folder| folder.newest()).expect("read").is_some());
}

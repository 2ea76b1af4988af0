//! Runs that are killed, interrupted, diverge or fill the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::driver::{command, folder, run, stderr, succeed};

/// Every tensor of the last checkpoint, by name: weights and moments.
pub(crate) fn last_tensors(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = fs::read(run.join("checkpoints/step-000000030.safetensors")).expect("the last checkpoint");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("a whole file");
    tensors.iter().map(|(name, tensor)| (name.to_owned(), tensor.data().to_vec())).collect()
}

pub(crate) fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(120), "waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Killed at several moments, a run that is resumed ends with the same bits, also with another number
/// of loader threads.
#[test]
fn killed_and_resumed_is_bit_exact() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "whole", "data.workers=0"]);
    let whole = last_tensors(&path.join("whole"));
    assert!(whole.keys().any(|name| name.starts_with("optimizer.v.")));
    let mut child = command(path, &["pretrain", "tiny.toml", "--out", "killed"])
        .stderr(Stdio::null())
        .spawn()
        .expect("the driver starts");
    let metrics = path.join("killed/metrics.jsonl");
    wait_for("the first metrics", || metrics.exists());
    child.kill().expect("killed");
    child.wait().expect("ended");
    for pause_ms in [60, 120, 200] {
        let mut child =
            command(path, &["resume", "killed"]).stderr(Stdio::null()).spawn().expect("the driver starts");
        std::thread::sleep(Duration::from_millis(pause_ms));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    succeed(path, &["resume", "killed"]);
    assert!(last_tensors(&path.join("killed")) == whole, "the weights differ after kills and resumes");
    let steps: Vec<u64> = fs::read_to_string(path.join("killed/metrics.jsonl"))
        .expect("metrics")
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["step"].as_u64())
        .collect();
    assert_eq!(steps, [5, 10, 15, 20, 25, 30], "each step's metrics once");
    let kept = fs::read_dir(path.join("killed/checkpoints")).expect("listed").count();
    assert_eq!(kept, 2, "keep_last checkpoints, and no half-written file");
}

#[test]
fn an_interrupt_leaves_a_checkpoint() {
    let folder = folder();
    let path = folder.path();
    let child = command(
        path,
        &["pretrain", "tiny.toml", "--out", "run", "--steps", "100000", "train.checkpoint_every=1000"],
    )
    .stderr(Stdio::piped())
    .spawn()
    .expect("the driver starts");
    let metrics = path.join("run/metrics.jsonl");
    wait_for("the first metrics", || metrics.exists());
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("continue with: cargo xtask resume run"), "{}", stderr(&output));
    let newest = fs::read_dir(path.join("run/checkpoints")).expect("listed").count();
    assert_eq!(newest, 2, "the start and the interrupt");
}

#[test]
fn a_diverged_step_is_saved() {
    let folder = folder();
    let path = folder.path();
    let args = [
        "pretrain",
        "tiny.toml",
        "--out",
        "run",
        "optimizer.lr=1000",
        "optimizer.clip=0",
        "--steps",
        "500",
        "schedule.shape=constant",
    ];
    let output = run(path, &args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("is not finite") && text.contains("lower optimizer.lr"), "{text}");
    let failure =
        fs::read_dir(path.join("run/failure")).expect("listed").next().expect("a step").expect("read").path();
    let report = fs::read_to_string(failure.join("report.json")).expect("the report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert!(report["losses"]["loss"].is_string() && report["plan"]["roles"].is_array(), "{report}");
    assert!(failure.join("batch.safetensors").metadata().expect("the batch").len() > 16 * 16 * 16 * 4);
    let replayed = succeed(path, &["run", "replay", "run", "--json"]);
    let replayed: serde_json::Value = serde_json::from_slice(&replayed.stdout).expect("JSON");
    assert_eq!(replayed["losses"]["loss"], report["losses"]["loss"], "the same step again");
    assert!(replayed["first"]["operation"].is_string(), "{replayed}");
    let output = run(path, &["run", "replay", "run", "--step", "100000"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// A full disk is told as such, and the last good checkpoint stays. Needs to mount a small file
/// system, so it says that it was passed over where that is not allowed.
#[test]
fn a_full_disk_loses_nothing() {
    let folder = folder();
    let path = folder.path();
    let small = path.join("small");
    fs::create_dir(&small).expect("made");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=700k", "tmpfs"])
        .arg(&small)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        return;
    }
    let output = run(path, &["pretrain", "tiny.toml", "--out", "small/run", "train.keep_last=100"]);
    let resumable = run(path, &["eval", "small/run", "--head", "knn", "--no-baseline"]);
    let unmounted = Command::new("umount").arg("-l").arg(&small).status();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the disk is full; free some space"), "{text}");
    assert!(resumable.status.success(), "the last checkpoint is whole: {}", stderr(&resumable));
    assert!(unmounted.is_ok());
}

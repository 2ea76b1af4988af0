//! What stops the program, and what does not.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::driver::{command, folder, run, stderr};
use crate::survival::wait_for;

pub(crate) fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// A run that goes on until it is stopped.
fn endless(path: &Path, more: &[&str]) -> Child {
    let args = ["pretrain", "tiny.toml", "--out", "run", "--steps", "1000000", "train.checkpoint_every=1000"];
    let child = command(path, &[&args[..], more].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    child.expect("the driver starts")
}

#[test]
fn what_batch_systems_send_stops_a_run_with_a_checkpoint() {
    for signal in ["TERM", "USR1", "USR2", "HUP"] {
        let folder = folder();
        let path = folder.path();
        let child = endless(path, &[]);
        wait_for("the first metrics", || path.join("run/metrics.jsonl").exists());
        send(&child, signal);
        let output = child.wait_with_output().expect("ended");
        assert_eq!(output.status.code(), Some(75), "{signal}: {}", stderr(&output));
        assert!(stderr(&output).contains("a checkpoint was written"), "{signal}: {}", stderr(&output));
        assert_eq!(fs::read_dir(path.join("run/checkpoints")).expect("listed").count(), 2, "{signal}");
    }
}

/// `nohup` starts a program with SIGHUP ignored; ignored it stays.
#[test]
fn an_ignored_signal_stays_ignored() {
    let folder = folder();
    let path = folder.path();
    let driver = command(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "1000000"]);
    let mut nohup = Command::new("sh");
    nohup.current_dir(path).args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    nohup.arg(driver.get_program()).args(driver.get_args());
    for (name, value) in driver.get_envs() {
        nohup.env(name, value.unwrap_or_default());
    }
    let mut child = nohup.stderr(Stdio::piped()).spawn().expect("the driver starts");
    let lines = || fs::read_to_string(path.join("run/metrics.jsonl")).unwrap_or_default().lines().count();
    wait_for("the first metrics", || lines() > 0);
    send(&child, "HUP");
    let then = lines();
    wait_for("further steps", || lines() > then + 2);
    assert!(child.try_wait().expect("asked").is_none(), "it goes on");
    send(&child, "TERM");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
}

/// Before the first has had its effect: a step takes seconds here.
#[test]
fn a_second_signal_ends_the_program_at_once() {
    let folder = folder();
    let path = folder.path();
    let long = ["train.batch=8000", "train.accumulate=80", "encoder.dim=192", "encoder.depth=12"];
    let mut child = endless(path, &long);
    let checkpoint = path.join("run/checkpoints/step-000000000.safetensors");
    wait_for("the first checkpoint", || checkpoint.exists());
    std::thread::sleep(Duration::from_millis(50));
    send(&child, "INT");
    let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("a second signal") {
        line.clear();
        assert!(told.read_line(&mut line).expect("text") > 0, "it ended before");
    }
    // `timeout` and shells send one request twice.
    send(&child, "INT");
    std::thread::sleep(Duration::from_millis(400));
    send(&child, "INT");
    let status = child.wait().expect("ended");
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("text");
    assert_eq!(status.signal(), Some(2), "{status}: {rest}");
    assert!(checkpoint.exists());
}

/// In an evaluation of many epochs: its checkpoint is there before, and the run ends within a batch.
#[test]
fn an_evaluation_is_stopped_too() {
    let folder = folder();
    let path = folder.path();
    let heads = ["eval.heads=[\"linear\"]", "head.linear.epochs=10000", "eval.every=0.01"];
    let child = endless(path, &heads);
    let log = path.join("run/checkpoints/step-000000000.safetensors");
    wait_for("the start", || log.exists());
    let metrics = path.join("run/metrics.jsonl");
    wait_for("the step before the evaluation", || metrics.exists());
    std::thread::sleep(Duration::from_millis(500));
    send(&child, "TERM");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted in the evaluation after step 5"), "{}", stderr(&output));
    assert!(path.join("run/checkpoints/step-000000005.safetensors").exists());
}

/// A reader that wants no more is no mistake; a full disk is one. Neither is a panic.
#[test]
fn outputs_that_take_no_more() {
    let folder = folder();
    let path = folder.path();
    for args in
        [&["part", "list", "heads"][..], &["part", "list", "readers"], &["part", "show", "head", "knn"]]
    {
        let mut child = command(path, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the driver starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success() && stderr(&output).is_empty(), "{args:?}: {}", stderr(&output));
        if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
            let output = command(path, args).stdout(full).output().expect("the driver starts");
            assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
            assert!(stderr(&output).contains("standard output: the disk is full"), "{}", stderr(&output));
        }
    }
    // Without an ear for its messages, a run trains to its end.
    let mut child = command(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "5"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the driver starts");
    drop((child.stdout.take(), child.stderr.take()));
    assert!(child.wait().expect("ended").success());
    assert!(path.join("run/summary.json").exists());
    let output = run(path, &["run", "show", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Runs that start at once: by name each has its own folder, and a folder that was named has one run.
#[test]
fn two_at_once_share_no_folder() {
    let folder = folder();
    let path = folder.path();
    let all = |args: &[&str], count: usize| -> Vec<Option<i32>> {
        let children: Vec<Child> = (0..count)
            .map(|_| command(path, args).stderr(Stdio::null()).spawn().expect("the driver starts"))
            .collect();
        children.into_iter().map(|mut child| child.wait().expect("ended").code()).collect()
    };
    assert_eq!(all(&["pretrain", "tiny.toml", "--steps", "5"], 4), [Some(0); 4]);
    assert_eq!(fs::read_dir(path.join("runs")).expect("listed").count(), 4);
    let mut ends = all(&["pretrain", "tiny.toml", "--out", "one"], 3);
    ends.sort_unstable();
    assert_eq!(ends, [Some(0), Some(2), Some(2)]);
    fs::remove_file(path.join("one/summary.json")).expect("removed");
    fs::remove_file(path.join("one/checkpoints/step-000000030.safetensors")).expect("removed");
    let ends = all(&["resume", "one"], 3);
    assert!(ends.iter().all(|end| matches!(end, Some(0 | 2))) && ends.contains(&Some(0)), "{ends:?}");
    let text = fs::read_to_string(path.join("one/metrics.jsonl")).expect("metrics");
    assert_eq!(text.lines().count(), 6, "{text}");
}

/// As Slurm ends a job: a warning, and SIGTERM while the checkpoint is not written yet. It is written all the same.
#[test]
fn the_end_of_a_warned_job_loses_no_checkpoint() {
    let folder = folder();
    let path = folder.path();
    let long = ["train.batch=4000", "train.accumulate=40", "encoder.dim=96", "encoder.depth=6"];
    let mut child = endless(path, &long);
    let checkpoint = path.join("run/checkpoints/step-000000000.safetensors");
    wait_for("the first checkpoint", || checkpoint.exists());
    std::thread::sleep(Duration::from_millis(50));
    send(&child, "USR1");
    let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("a second signal") {
        line.clear();
        assert!(told.read_line(&mut line).expect("text") > 0, "it ended before");
    }
    std::thread::sleep(Duration::from_millis(400));
    send(&child, "TERM");
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("ended").code(), Some(75), "{rest}");
    assert!(rest.contains("a checkpoint was written"), "{rest}");
}

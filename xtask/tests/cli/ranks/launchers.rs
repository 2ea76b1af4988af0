//! The launchers that people have: the same 20 steps by each.

use std::process::{Command, Stdio};

use super::{figures, has, logged, start};
use crate::driver::{command, folder, stderr};

const STEPS: [&str; 7] = [
    "pretrain",
    "tiny.toml",
    "--steps",
    "20",
    "train.log_every=1",
    "train.samples_every=100",
    "train.checkpoint_every=100",
];

/// The driver behind a launcher.
fn behind(launcher: &[&str], driver: &Command) -> Command {
    let mut command = Command::new(launcher[0]);
    command.args(&launcher[1..]).arg(driver.get_program()).args(driver.get_args());
    command.current_dir(driver.get_current_dir().expect("a folder")).stdin(Stdio::null());
    for (name, value) in driver.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

fn there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
#[allow(clippy::print_stderr, reason = "tells what was passed over")]
fn torchrun_mpirun_and_by_hand_give_the_same_losses() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    start(path, &[&STEPS[..], &["--out", "hand"]].concat(), 2).succeed();
    let due = figures(&path.join("hand"));
    assert_eq!(due.len(), 20);
    let torchrun =
        ["python3", "-m", "torch.distributed.run", "--no-python", "--standalone", "--nproc-per-node=2"];
    let output = behind(&torchrun, &command(path, &[&STEPS[..], &["--out", "torchrun"]].concat())).output();
    let output = output.expect("python3 starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("2 processes by torchrun, this is 0; gloo"), "{}", stderr(&output));
    assert_eq!(figures(&path.join("torchrun")), due);

    if !there("mpirun") {
        eprintln!("mpirun: passed over: it is not there");
        return;
    }
    if !has("mpi") {
        return;
    }
    let mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", "2"];
    let output = behind(&mpirun, &command(path, &[&STEPS[..], &["--out", "mpirun"]].concat())).output();
    let output = output.expect("mpirun starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("2 processes by mpirun, this is 0; mpi"), "{}", stderr(&output));
    // Of two ranks every sum is the same, whoever makes it.
    assert_eq!(figures(&path.join("mpirun")), due);
}

/// What batch systems send before a job's end, passed on by mpirun: all stop after one step, in order.
#[test]
fn mpirun_passes_a_signal_on() {
    if !there("mpirun") || !has("mpi") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", "2"];
    let args = ["pretrain", "tiny.toml", "--steps", "1000000", "--out", "run", "train.log_every=1"];
    let child = behind(&mpirun, &command(path, &args)).stderr(Stdio::piped()).spawn().expect("mpirun starts");
    crate::survival::wait_for("some steps", || logged(&path.join("run")) > 20);
    crate::signals::send(&child, "USR1");
    let output = child.wait_with_output().expect("ended");
    let text = stderr(&output);
    assert!(text.contains("a checkpoint was written; continue with: cargo xtask resume run"), "{text}");
    assert!(!text.contains("error: rank"), "{text}");
}

/// torchrun's agent starts all again after a death; the run goes on from its newest checkpoint.
#[test]
fn torchrun_starts_again() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let torchrun = [
        "python3",
        "-m",
        "torch.distributed.run",
        "--no-python",
        "--standalone",
        "--nproc-per-node=2",
        "--max-restarts=1",
    ];
    let args = [
        "pretrain",
        "tiny.toml",
        "--steps",
        "400",
        "--out",
        "run",
        "train.log_every=1",
        "train.checkpoint_every=0.05",
    ];
    let child =
        behind(&torchrun, &command(path, &args)).stderr(Stdio::piped()).spawn().expect("python3 starts");
    crate::survival::wait_for("some steps", || logged(&path.join("run")) > 40);
    // One of the two ranks, found by its environment.
    let victim = std::fs::read_dir("/proc").expect("processes").flatten().find_map(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let has = |text: &str| environment.split(|&b| b == 0).any(|word| word == text.as_bytes());
        let here = std::fs::read_link(entry.path().join("cwd")).ok()? == path.canonicalize().ok()?;
        (has("RANK=1") && here && has("WORLD_SIZE=2"))
            .then(|| entry.file_name().to_string_lossy().into_owned())
    });
    let killed = Command::new("kill").args(["-KILL", &victim.expect("rank 1")]).status().expect("kill runs");
    assert!(killed.success());
    let output = child.wait_with_output().expect("ended");
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("started again by torchrun: going on with run"), "{text}");
    let steps: Vec<u64> = figures(&path.join("run")).into_iter().map(|(step, ..)| step).collect();
    assert_eq!(steps, (1..=400).collect::<Vec<_>>());
}

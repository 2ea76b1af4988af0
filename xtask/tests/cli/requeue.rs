//! The scripts of docs/slurm.md, with a stub for Slurm: they end, are requeued, and go on where they stood.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::driver::{command, folder, run, stderr, succeed};
use crate::signals::send;
use crate::survival::{last_tensors, wait_for};

/// A program in the folder `bin`.
fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join("bin").join(name);
    fs::create_dir_all(folder.join("bin")).expect("made");
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made a program");
}

/// The scripts that the page shows, in `jobs`, beside the program and a stub of Slurm's.
fn page(folder: &Path) {
    let text = include_str!("../../../docs/slurm.md");
    fs::create_dir_all(folder.join("jobs")).expect("made");
    for part in text.split("`jobs/").skip(1) {
        let (name, rest) = part.split_once('`').expect("a name");
        if let Some((_, body)) = rest.split_once("```sh\n")
            && body.starts_with("#!")
        {
            let script = body.split_once("```").expect("an end").0;
            fs::write(folder.join("jobs").join(name), script).expect("written");
        }
    }
    let driver = env!("CARGO_BIN_EXE_xtask");
    program(folder, "palimpsest", &format!("#!/bin/sh\nexec '{driver}' \"$@\"\n"));
    // One task; a signal to the step goes to it.
    program(folder, "srun", "#!/bin/sh\necho $$ > step\nexec \"$@\"\n");
    program(folder, "scontrol", "#!/bin/sh\necho \"$@\" >> requeued\n");
}

fn job(folder: &Path, script: &str, words: &[&str]) -> Child {
    // For the environment that the driver of these tests has.
    let driver = command(folder, &[]);
    let mut job = Command::new("bash");
    job.current_dir(folder).arg(format!("jobs/{script}")).args(words);
    for (name, value) in driver.get_envs() {
        job.env(name, value.unwrap_or_default());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    job.env("PATH", format!("{}:{path}", folder.join("bin").display()));
    job.env("SLURM_JOB_ID", "17").env("SLURM_ARRAY_JOB_ID", "17").env("SLURM_ARRAY_TASK_ID", "3");
    job.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("bash starts")
}

const SLOW: [&str; 3] = ["tiny.toml", "--steps=1000000", "train.checkpoint_every=1000"];

/// Requeued by itself, twice stopped in the middle: `step` tells the task, `script` is asked where no step is.
fn goes_on(script: &str, of_step: bool, run_folder: &str) {
    let folder = folder();
    let path = folder.path();
    page(path);
    let out = if script == "seeds.sbatch" { "sweep" } else { run_folder };
    let metrics = path.join(run_folder).join("metrics.jsonl");
    let lines = || fs::read_to_string(&metrics).unwrap_or_default().lines().count();
    for leg in 1..=2 {
        let before = lines();
        let child = job(path, script, &[&[out][..], &SLOW].concat());
        wait_for("further steps", || lines() > before + 1);
        if of_step {
            let step = fs::read_to_string(path.join("step")).expect("the task's number");
            let sent = Command::new("kill").args(["-USR1", step.trim()]).status().expect("kill runs");
            assert!(sent.success());
        } else {
            send(&child, "USR1");
        }
        let output = child.wait_with_output().expect("ended");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(75), "{script}: {text}");
        assert!(text.contains("the same command goes on") || leg == 1, "{script}: {text}");
        let requeued = fs::read_to_string(path.join("requeued")).unwrap_or_default();
        let due = if script == "alone.sbatch" { 0 } else { leg };
        // Of an array, by the number of the job alone all of its tasks would be.
        let job = if script == "seeds.sbatch" { "17_3" } else { "17" };
        assert_eq!(requeued, format!("requeue {job}\n").repeat(due), "{script}");
    }
    let environment = fs::read_to_string(path.join(run_folder).join("env.json")).expect("read");
    assert_eq!(environment.matches("\"started\"").count(), 2, "{script}: one leg more: {environment}");
}

#[test]
fn a_job_puts_itself_back_in_the_queue() {
    goes_on("pretrain.sbatch", true, "run");
}

#[test]
fn an_array_has_a_run_for_each_seed() {
    goes_on("seeds.sbatch", true, "sweep/seed-3");
}

#[test]
fn a_program_in_the_place_of_its_script_is_asked_itself() {
    goes_on("alone.sbatch", false, "run");
}

#[test]
fn a_trap_passes_the_signal_on() {
    goes_on("trap.sbatch", false, "run");
}

/// The same bits as in one leg; and nothing is done twice.
#[test]
fn the_same_command_begins_goes_on_and_ends() {
    let folder = folder();
    let path = folder.path();
    let args = ["pretrain", "tiny.toml", "--out", "run", "--resume"];
    succeed(path, &["pretrain", "tiny.toml", "--out", "whole"]);
    let mut child = command(path, &args).stderr(Stdio::null()).spawn().expect("the driver starts");
    wait_for("the first metrics", || path.join("run/metrics.jsonl").exists());
    child.kill().expect("killed");
    child.wait().expect("ended");
    succeed(path, &[&args[..], &["data.workers=0"]].concat());
    assert!(last_tensors(&path.join("run")) == last_tensors(&path.join("whole")));
    let output = succeed(path, &args);
    assert!(stderr(&output).contains("the run is finished"), "{}", stderr(&output));
    // Another recipe is another run, whichever way it differs.
    for (words, told) in [
        (&["seed=1"][..], "seed: 0 -> 1"),
        (&["--steps", "31"], "train.steps: 30 -> 31"),
        (&["encoder.depth=2"], "encoder.depth: 3 -> 2"),
    ] {
        let output = run(path, &[&args[..], words].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let text = stderr(&output);
        assert!(text.contains(told) && text.contains("cargo xtask resume run"), "{text}");
    }
    let output = run(path, &["pretrain", "tiny.toml", "--resume"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--out"), "{}", stderr(&output));
    // Weights to start from count once, when the run begins.
    let init = "init_from=whole/checkpoints/step-000000030.safetensors";
    let from = ["pretrain", "tiny.toml", init, "--out", "from", "--resume"];
    succeed(path, &from);
    fs::rename(path.join("whole"), path.join("elsewhere")).expect("moved");
    let output = succeed(path, &from);
    assert!(stderr(&output).contains("the run is finished"), "{}", stderr(&output));
}

//! What a run's folder holds, damaged: what is whole stays in use.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use palimpsest_core::HostTensor;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::train::{Checkpoint, CheckpointState, Pace, RunFolder};
use serde_json::{Value, json};

use crate::driver::{TINY, folder, run, stderr, succeed};

fn checkpoint(step: u64, value: f32) -> Checkpoint {
    let state = CheckpointState {
        step,
        recipe_hash: "0".repeat(64),
        recipe: "name = \"tiny\"\n".to_owned(),
        backend: "burn".to_owned(),
        instructions: Some("avx2".to_owned()),
        plugin: None,
        pace: Pace::default(),
    };
    let tensor = HostTensor::f32([4], vec![1.0, -2.0, value, 0.5]).expect("four values");
    Checkpoint { state, tensors: vec![("model.weight".to_owned(), tensor)] }
}

fn new_run(root: &Path) -> RunFolder {
    let recipe = Recipe::parse("tiny.toml", TINY, &[]).expect("a recipe");
    RunFolder::create(root, &recipe, &json!({})).expect("a run")
}

/// Rank 0 was lost between a step and its line of metrics: who saves the step writes the line too, once.
#[test]
fn what_a_survivor_rescues_has_its_metrics() {
    let root = tempfile::tempdir().expect("a folder");
    let run = root.path().join("run");
    let steps = |folder: &RunFolder| -> Vec<u64> {
        folder.metrics().expect("read").iter().filter_map(|line| line["step"].as_u64()).collect()
    };
    let leader = new_run(&run);
    let followers = [0, 1, 2].map(|_| RunFolder::followed(&run));
    for step in 1..=2 {
        followers.iter().for_each(|f| f.append_metrics(&json!({ "step": step, "loss": 1.5 })).expect("kept"));
    }
    leader.append_metrics(&json!({ "step": 1, "loss": 1.5 })).expect("written");
    // Half a line is what a killed process may leave.
    let metrics = run.join("metrics.jsonl");
    let text = fs::read_to_string(&metrics).expect("read");
    fs::write(&metrics, format!("{text}{{\"step\":2,\"lo")).expect("written");
    assert!(followers[0].rescue(&checkpoint(2, 3.0)).expect("saved").is_some());
    assert!(followers[1].rescue(&checkpoint(2, 3.0)).expect("there already").is_none());
    // One that stands a step behind has nothing to add.
    assert!(followers[2].rescue(&checkpoint(1, 3.0)).expect("there already").is_none());
    assert_eq!(steps(&leader), [1, 2]);
    let opened = RunFolder::open(&run).expect("a run");
    opened.rewind_metrics(2).expect("rewritten");
    assert_eq!(steps(&opened), [1, 2]);
}

/// Every single bit of a checkpoint, header and padding included.
#[test]
fn no_flipped_bit_of_a_checkpoint_goes_unnoticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("step.safetensors");
    checkpoint(5, 3.0).write(&path).expect("written");
    let whole = fs::read(&path).expect("read");
    assert_eq!(Checkpoint::read(&path).expect("whole").tensors, checkpoint(5, 3.0).tensors);
    for bit in 0..8 * whole.len() {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).expect("written");
        assert!(Checkpoint::read(&path).is_err(), "bit {bit} of {}", 8 * whole.len());
    }
}

/// Files of before have neither checksum nor pace.
#[test]
fn a_checkpoint_without_a_checksum_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("step.safetensors");
    let metadata = [
        ("format", "palimpsest-checkpoint-1"),
        ("step", "7"),
        ("recipe_hash", "ab"),
        ("recipe", ""),
        ("backend", "burn"),
    ];
    let metadata: HashMap<String, String> = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let bytes = 1.5f32.to_le_bytes();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &bytes).expect("a view");
    let data = safetensors::serialize([("model.weight", view)], Some(metadata)).expect("a file");
    fs::write(&path, data).expect("written");
    let read = Checkpoint::read(&path).expect("read");
    assert_eq!((read.state.step, read.state.pace), (7, Pace::default()));
}

#[test]
fn a_bad_newest_checkpoint_falls_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = new_run(&folder.path().join("run"));
    assert!(folder.newest().expect("none").is_none());
    for step in [10, 20, 30] {
        folder.save(&checkpoint(step, 1.0), 3).expect("saved");
    }
    let path = |step| folder.path("checkpoints").join(Checkpoint::file_name(step));
    let mut bytes = fs::read(path(30)).expect("read");
    let last = bytes.len() - 3;
    bytes[last] ^= 16;
    fs::write(path(30), bytes).expect("written");
    let newest = folder.newest().expect("a good one").expect("one");
    assert_eq!((newest.checkpoint.state.step, newest.damaged.len()), (20, 1));
    assert!(newest.damaged[0].1.to_string().contains("checksum"), "{}", newest.damaged[0].1);
    fs::write(path(20), b"").expect("written");
    assert_eq!(folder.newest().expect("a good one").expect("one").checkpoint.state.step, 10);
    // Put aside, they neither count nor push good ones out.
    folder.tidy(&folder.newest().expect("a good one").expect("one").damaged).expect("tidied");
    folder.save(&checkpoint(15, 1.0), 2).expect("saved");
    assert!(path(10).exists() && path(15).exists() && !path(30).exists());
    assert!(path(30).with_extension("safetensors.damaged").exists());
    fs::write(path(10), b"x").expect("written");
    fs::write(path(15), b"x").expect("written");
    assert!(folder.newest().is_err(), "all of them are damaged");
}

#[test]
fn weights_that_are_not_finite_replace_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = new_run(&folder.path().join("run"));
    folder.save(&checkpoint(10, 1.0), 1).expect("saved");
    for value in [f32::NAN, f32::INFINITY] {
        let error = folder.save(&checkpoint(20, value), 1).expect_err("refused").to_string();
        assert!(error.contains("`model.weight` is not finite after step 20"), "{error}");
        assert!(error.contains("optimizer.lr"), "{error}");
    }
    assert_eq!(folder.newest().expect("one").expect("one").checkpoint.state.step, 10);
    // As older versions wrote them.
    let path = folder.path("checkpoints").join(Checkpoint::file_name(20));
    checkpoint(20, f32::NAN).write(&path).expect("written");
    let newest = folder.newest().expect("one").expect("one");
    assert_eq!((newest.checkpoint.state.step, newest.damaged.len()), (10, 1));
}

/// A file to start from is judged by its tensors too, and by its checksum.
#[test]
fn a_start_that_is_not_finite_or_damaged_is_refused() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "1"]);
    let file = path.join("run/checkpoints/step-000000001.safetensors");
    let mut weights = Checkpoint::read(&file).expect("read");
    let (name, tensor) =
        weights.tensors.iter_mut().find(|(name, _)| name.starts_with("model.blocks.1.")).expect("a block");
    let mut values = tensor.clone().into_f32();
    values[0] = f32::NAN;
    *tensor = HostTensor::f32(tensor.shape().clone(), values).expect("as many");
    let name = name.trim_start_matches("model.").to_owned();
    weights.write(&path.join("nan.safetensors")).expect("written");
    let mut bytes = fs::read(&file).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path.join("damaged.safetensors"), bytes).expect("written");
    for (file, why) in [
        ("nan", format!("`{name}` holds a value that is not finite")),
        ("damaged", "its bits don't match its checksum".to_owned()),
    ] {
        let from = format!("init_from={file}.safetensors");
        let output = run(path, &["pretrain", "tiny.toml", "--out", "next", &from]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(&why), "{}", stderr(&output));
    }
}

#[test]
fn a_damaged_line_of_the_metrics_is_put_aside_and_the_rest_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = new_run(&folder.path().join("run"));
    let bytes = b"{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"lo\xffss\":1}\n{\"step\":3}\n{\"step\":3,\"eval\":{}}\n{\"step\":4}\n{\"step\":5,\"l";
    fs::write(folder.path("metrics.jsonl"), bytes).expect("written");
    let steps =
        || folder.metrics().expect("read").iter().filter_map(|l| l["step"].as_u64()).collect::<Vec<_>>();
    assert_eq!(steps(), [1, 3, 3, 4], "what follows a damaged line is read");
    assert_eq!(folder.evaluation(3).expect("read"), Some(json!({})));
    assert_eq!(folder.evaluation(4).expect("read"), None);
    assert_eq!(folder.rewind_metrics(3).expect("rewound"), 1);
    folder.append_metrics(&json!({ "step": 4 })).expect("appended");
    let text = fs::read_to_string(folder.path("metrics.jsonl")).expect("text");
    assert_eq!(text, "{\"step\":1,\"loss\":0.5}\n{\"step\":3}\n{\"step\":3,\"eval\":{}}\n{\"step\":4}\n");
    let aside = fs::read_to_string(folder.path("metrics.damaged")).expect("text");
    assert!(aside.starts_with("{\"step\":2,"), "{aside}");
}

#[test]
fn one_process_trains_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("run");
    let held = new_run(&root);
    let error = RunFolder::open(&root).expect("readable").locked().expect_err("held").to_string();
    assert!(error.contains(&format!("process {} trains this run", std::process::id())), "{error}");
    drop(held);
    RunFolder::open(&root).expect("a run").locked().expect("free again");
}

/// Each of several writers is seen whole, and what a killed one left is written over.
#[test]
fn a_file_that_several_write_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(folder.path().join("file.tmp"), "left by a killed process").expect("written");
    std::thread::scope(|scope| {
        for writer in 0..8u8 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    write_atomically(path, &vec![writer; 10_000 + usize::from(writer)]).expect("written");
                    let read = fs::read(path).expect("read");
                    assert!(read.iter().all(|byte| *byte == read[0]));
                    assert_eq!(read.len(), 10_000 + usize::from(read[0]));
                }
            });
        }
    });
    assert!(!folder.path().join("file.tmp").exists());
}

/// Pipes among a run's files: no command waits for someone to write to them.
#[test]
fn pipes_in_a_folder_hang_nothing() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "5"]);
    let names = ["summary.json", "env.json", "metrics.jsonl", "train.log", "samples/step-000000009.png"];
    for name in names.into_iter().chain(["checkpoints/step-000000009.safetensors", "tb/pipe"]) {
        let _ = fs::remove_file(path.join("run").join(name));
        let made = Command::new("mkfifo").arg(path.join("run").join(name)).status();
        if !made.is_ok_and(|status| status.success()) {
            return;
        }
    }
    for args in [
        &["run", "show", "run"][..],
        &["run", "list", "."],
        &["report", "run"],
        &["export", "run", "--format", "safetensors"],
        &["eval", "run", "--head", "knn", "--no-baseline", "--train-images", "64", "--test-images", "64"],
        &["resume", "run"],
    ] {
        let output = run(path, args);
        assert!(output.status.code().is_some(), "{args:?}: {}", stderr(&output));
    }
    let output = run(path, &["resume", "run"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("is no regular file"), "{}", stderr(&output));
}

/// Names that are no text, where the system has them.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_need_not_be_named_in_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let path = folder.path();
    let name = std::ffi::OsStr::from_bytes(b"run\xff");
    let with = |args: &[&str], after: &[&str]| {
        let mut command = crate::driver::command(path, args);
        let output = command.arg(name).args(after).output().expect("the driver starts");
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        output
    };
    let output = with(&["pretrain", "tiny.toml", "--steps", "5", "--json", "--out"], &[]);
    let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(line["run"], "run\u{fffd}");
    with(&["resume"], &["--json"]);
    with(&["export"], &["--format", "safetensors", "--json"]);
    with(
        &["eval"],
        &["--head", "knn", "--no-baseline", "--train-images", "64", "--test-images", "64", "--json"],
    );
    with(&["analyse"], &["--images", "16", "--json"]);
    with(&["run", "show"], &["--json"]);
    with(&["report"], &[]);
}

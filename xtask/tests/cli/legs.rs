//! Runs in several legs: what resuming adds up, what it refuses, and what it leaves alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::driver::{folder, run, stderr, succeed};
use crate::survival::last_tensors;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON")
}

/// Every file below a folder with its bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).expect("listed") {
        let path = entry.expect("read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("read");
            found.insert(path, bytes);
        }
    }
    found
}

/// Without the lock, which names the last process.
fn state(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(root);
    files.remove(&root.join(".lock"));
    files
}

/// Class folders of grey images, each with its own number.
pub(crate) fn images(root: &Path, classes: &[&str], count: usize) {
    for (c, class) in classes.iter().enumerate() {
        for i in 0..count {
            write_image(&root.join("train").join(class).join(format!("{i:03}.png")), (40 * c + i) as u8);
        }
        write_image(&root.join("test").join(class).join("000.png"), 7);
    }
}

fn write_image(path: &Path, value: u8) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let mut encoder = png::Encoder::new(fs::File::create(path).expect("made"), 16, 16);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels: Vec<u8> = (0..=255u8).map(|i| i.wrapping_mul(value | 1)).collect();
    encoder.write_header().expect("a header").write_image_data(&pixels).expect("pixels");
}

/// As after a kill: what came after a checkpoint is gone.
fn cut_back(run: &Path, step: u64) {
    fs::remove_file(run.join("summary.json")).expect("removed");
    for entry in fs::read_dir(run.join("checkpoints")).expect("listed") {
        let path = entry.expect("read").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        if name.trim_start_matches("step-").parse::<u64>().expect("a step") > step {
            fs::remove_file(path).expect("removed");
        }
    }
}

#[test]
fn a_finished_run_is_left_alone() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "10", "eval.heads=[\"knn\"]"]);
    let before = state(&path.join("run"));
    for args in [&["resume", "run"][..], &["resume", "run", "optimizer.lr=1e-4"]] {
        let output = succeed(path, args);
        assert!(stderr(&output).contains("the run is finished, after 10 steps"), "{}", stderr(&output));
        assert!(state(&path.join("run")) == before, "{args:?} changed the run");
    }
    let output = succeed(path, &["resume", "run", "--json"]);
    let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(line, json(&path.join("run/summary.json")));
}

/// Loss and duration are those of the whole run, and each step and evaluation is logged once, however many legs
/// there are.
#[test]
fn legs_add_up() {
    let folder = folder();
    let path = folder.path();
    let args = [
        "tiny.toml",
        "train.keep_last=20",
        "eval.heads=[\"knn\"]",
        "eval.every=0.02",
        "eval.train_images=64",
        "eval.test_images=64",
    ];
    succeed(path, &[&["pretrain"][..], &args, &["--out", "run"]].concat());
    let whole = json(&path.join("run/summary.json"));
    let tensors = last_tensors(&path.join("run"));
    let lines = |file: &Path| -> Vec<(u64, bool)> {
        let text = fs::read_to_string(file).expect("metrics");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.map(|line| (line["step"].as_u64().expect("a step"), line["eval"].is_object())).collect()
    };
    let logged = lines(&path.join("run/metrics.jsonl"));
    assert_eq!(logged.iter().filter(|(_, eval)| *eval).count(), 3, "{logged:?}");
    // Killed after the last checkpoint, before its evaluation: nothing to train, and the same summary.
    let text = fs::read_to_string(path.join("run/metrics.jsonl")).expect("metrics");
    let without_last = text.trim_end().rsplit_once('\n').expect("lines").0;
    fs::write(path.join("run/metrics.jsonl"), format!("{without_last}\n")).expect("written");
    fs::remove_file(path.join("run/summary.json")).expect("removed");
    succeed(path, &["resume", "run"]);
    assert_eq!(json(&path.join("run/summary.json")), whole);
    assert_eq!(lines(&path.join("run/metrics.jsonl")), logged);
    // Killed in the middle, after a checkpoint whose evaluation was not done.
    cut_back(&path.join("run"), 10);
    let until = |line: &&str| !line.contains("\"eval\"") || line.contains("\"step\":30");
    let kept: Vec<&str> = text.lines().filter(until).collect();
    fs::write(path.join("run/metrics.jsonl"), kept.join("\n")).expect("written");
    succeed(path, &["resume", "run"]);
    let summary = json(&path.join("run/summary.json"));
    assert!(last_tensors(&path.join("run")) == tensors, "the weights differ");
    // JSON's numbers are a last digit off at most.
    let [a, b] = [&whole, &summary].map(|s| s["loss"].as_f64().expect("a loss"));
    assert!((a - b).abs() <= 1e-12 * a.abs(), "{a} and {b}");
    let checkpoint = path.join("run/checkpoints/step-000000010.safetensors");
    let first = palimpsest_core::train::Checkpoint::read(&checkpoint).expect("read").state.pace.seconds;
    let all = summary["seconds"].as_f64().expect("seconds");
    assert!(first > 0.0 && all > first, "{first} s, then {all} s in all");
    assert_eq!(lines(&path.join("run/metrics.jsonl")), logged);
    let legs = json(&path.join("run/env.json"));
    assert_eq!(legs["resumed"].as_array().map(Vec::len), Some(2), "{legs}");
    assert_eq!(legs["resumed"][1]["step"], 10);
}

#[test]
fn a_run_killed_before_its_first_checkpoint_goes_on() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run"]);
    let whole = last_tensors(&path.join("run"));
    for entry in fs::read_dir(path.join("run/checkpoints")).expect("listed") {
        fs::remove_file(entry.expect("read").path()).expect("removed");
    }
    // Weights that were lost are not made anew unasked.
    let output = run(path, &["resume", "run"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("the checkpoints of the run are gone"), "{}", stderr(&output));
    for name in ["metrics.jsonl", "summary.json"] {
        fs::remove_file(path.join("run").join(name)).expect("removed");
    }
    let output = run(path, &["eval", "run", "--head", "knn"]);
    assert!(stderr(&output).contains("no checkpoint yet; go on with it first"), "{}", stderr(&output));
    let output = succeed(path, &["resume", "run"]);
    assert!(stderr(&output).contains("starts at step 0"), "{}", stderr(&output));
    assert!(last_tensors(&path.join("run")) == whole);
}

#[test]
fn other_training_images_are_told() {
    let folder = folder();
    let path = folder.path();
    images(&path.join("data"), &["a", "b"], 40);
    let args = ["pretrain", "tiny.toml", "data.name=folder", "data.path=data", "--out", "run"];
    succeed(path, &args);
    cut_back(&path.join("run"), 0);
    cut_back_to_start(&path.join("run"));
    let before = state(&path.join("run"));
    // Elsewhere, they are the same images.
    fs::rename(path.join("data"), path.join("moved")).expect("moved");
    write_image(&path.join("moved/train/a/100.png"), 3);
    let output = run(path, &["resume", "run", "data.path=moved"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = stderr(&output);
    // The command that is offered goes on with these, not with those of before.
    let offered = "cargo xtask resume run data.path=moved --accept-data";
    assert!(text.contains("80 -> 81") && text.contains(offered), "{text}");
    fs::remove_file(path.join("moved/train/a/100.png")).expect("removed");
    fs::rename(path.join("moved/train/a/000.png"), path.join("moved/train/a/zzz.png")).expect("renamed");
    let output = run(path, &["resume", "run", "data.path=moved"]);
    assert!(stderr(&output).contains("of other names, labels or order"), "{}", stderr(&output));
    assert!(state(&path.join("run")) == before, "a refused resume changed the run");
    let output = succeed(path, &["resume", "run", "data.path=moved", "--accept-data"]);
    assert!(stderr(&output).contains("have changed since the run began"), "{}", stderr(&output));
    let environment = json(&path.join("run/env.json"));
    assert!(environment["resumed"][0]["data"].is_string(), "{environment}");
    // From then on these are the run's; and those of the same names are the same wherever they lie.
    fs::remove_file(path.join("run/summary.json")).expect("removed");
    fs::rename(path.join("moved"), path.join("data")).expect("moved");
    succeed(path, &["resume", "run"]);
}

/// Metrics as a run killed at its start leaves them, so that the checkpoint of step 0 may be written again.
fn cut_back_to_start(run: &Path) {
    let checkpoints = run.join("checkpoints");
    if fs::read_dir(&checkpoints).expect("listed").count() == 0 {
        fs::remove_file(run.join("metrics.jsonl")).expect("removed");
    }
}

#[test]
fn the_rate_may_be_lowered_on_the_way_and_no_more() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "train.keep_last=20"]);
    cut_back(&path.join("run"), 15);
    let before = state(&path.join("run"));
    let output = run(path, &["resume", "run", "train.steps=60"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("train.steps: 30 -> 60"), "{text}");
    let way = "cargo xtask pretrain run/config.toml init_from=run/checkpoints/step-000000015.safetensors train.steps=60 --out NEW";
    assert!(text.contains(way), "{text}");
    assert!(state(&path.join("run")) == before, "a refused resume changed the run");
    // The way that it names works.
    let way: Vec<&str> = way.split(' ').skip(2).collect();
    succeed(path, &way);
    succeed(path, &["resume", "run", "optimizer.lr=5e-4", "data.workers=0"]);
    let environment = json(&path.join("run/env.json"));
    assert_eq!(environment["resumed"][0]["changes"][0], "optimizer.lr: 0.001 -> 0.0005");
    let summary = json(&path.join("run/summary.json"));
    assert_eq!(summary["changed"][0], "from step 15: optimizer.lr: 0.001 -> 0.0005");
    let config = fs::read_to_string(path.join("run/config.toml")).expect("the recipe");
    assert!(config.contains("lr = 0.0005") && config.contains("workers = 1"), "{config}");
    let last = fs::read_to_string(path.join("run/metrics.jsonl")).expect("metrics");
    let lines: Vec<Value> = last.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let lr = |step: u64| lines.iter().find(|line| line["step"] == step).expect("logged")["lr"].as_f64();
    assert!(lr(20) < lr(15).map(|lr| lr * 0.6), "{:?} then {:?}", lr(15), lr(20));
    // Older checkpoints of the run are still its own.
    let old = "run/checkpoints/step-000000005.safetensors";
    let few = ["--train-images", "64", "--test-images", "64"];
    succeed(
        path,
        &[&["eval", "run", "--head", "knn", "--no-baseline", "--checkpoint", old][..], &few].concat(),
    );
}

#[test]
fn a_diverged_run_goes_on_with_a_lower_rate() {
    let folder = folder();
    let path = folder.path();
    let args = ["optimizer.lr=1000", "optimizer.clip=0", "--steps", "200", "schedule.shape=constant"];
    let output = run(path, &[&["pretrain", "tiny.toml", "--out", "run"][..], &args].concat());
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cargo xtask resume run optimizer.lr="), "{text}");
    succeed(path, &["resume", "run", "optimizer.lr=1e-4", "optimizer.clip=1.0"]);
}

/// From the parameters alone: 4 bytes for weight and two moments each, a file more than are kept.
#[test]
fn room_is_told_before_anything_is_made() {
    let folder = folder();
    let path = folder.path();
    let output = succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--dry-run"]);
    let text = stderr(&output);
    assert!(text.contains("checkpoints take up to") && text.contains("are free"), "{text}");
    assert!(!path.join("run").exists());
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "1"]);
    let size = path.join("run/checkpoints/step-000000001.safetensors").metadata().expect("written").len();
    let each = text.split_once("files of ").and_then(|(_, rest)| rest.split_once(" MB")).expect("told").0;
    let told: f64 = each.parse().expect("a number");
    // Told in tenths of a megabyte, and the file has a header of some kilobytes.
    assert!((told - size as f64 / 1e6).abs() < 0.1, "{told} MB told, {size} bytes written");
}

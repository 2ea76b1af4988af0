//! Which data scores are named after, and when they are replaced.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::driver::{folder, run, stderr, succeed};
use crate::legs::images;

const SHORT: [&str; 3] = ["train.batch=8", "train.steps=2", "--no-baseline"];

fn eval(folder: &Path, more: &[&str]) -> (Value, String) {
    let output = succeed(folder, &[&["eval", "run", "--json"], &SHORT[..], more].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (serde_json::from_str(text.lines().last().expect("a line")).expect("JSON"), stderr(&output))
}

/// `data.name` and `data.path` as overrides are `--data` and `--data-path`: the run's own scores stay.
#[test]
fn other_data_have_a_name_of_their_own() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "runs/run", "--steps", "2"]);
    fs::rename(path.join("runs/run"), path.join("run")).expect("moved");
    images(&path.join("photos"), &["a", "b"], 20);
    let head = ["--head", "finetune", "--shots", "4", "augment.rand_augment=0"];
    eval(path, &head);
    let own = path.join("run/eval/finetune-fashion-mnist/pretrained-seed0/scores.json");
    let before = fs::read(&own).expect("scores");
    let overrides = ["data.name=folder", "data.path=\"photos\"", "data.channels=1"];
    let (told, text) = eval(path, &[&head[..], &overrides].concat());
    assert_eq!(told["data"], "folder", "{told}");
    assert!(!text.contains("replaces"), "{text}");
    assert!(fs::read(&own).expect("scores") == before, "the run's own scores were replaced");
    let of_photos =
        fs::read(path.join("run/eval/finetune-folder/pretrained-seed0/scores.json")).expect("scores");
    // The other way to say it is the same.
    let flags = ["--data", "folder", "--data-path", "photos", "data.channels=1"];
    let (_, text) = eval(path, &[&head[..], &flags].concat());
    assert!(text.contains("replaces the scores in run/eval/finetune-folder"), "{text}");
    let again = fs::read(path.join("run/eval/finetune-folder/pretrained-seed0/scores.json")).expect("scores");
    let figures = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON")["scores"].clone();
    assert_eq!(figures(&of_photos), figures(&again));
    let both = ["eval", "run", "--data", "folder", "data.name=folder"];
    let output = run(path, &both);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("data.name is given, and --data too"), "{}", stderr(&output));
    // Heads that lie in a folder of runs are none, however they are sorted.
    succeed(path, &["pretrain", "tiny.toml", "--out", "runs/other", "--steps", "2"]);
    eval(path, &[&head[..], &["--out", "runs/heads"]].concat());
    assert!(path.join("runs/heads/finetune-fashion-mnist/pretrained-seed0/metrics.jsonl").is_file());
    let listed = succeed(path, &["run", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let names: Vec<&str> =
        listed.as_array().expect("runs").iter().filter_map(|run| run["run"].as_str()).collect();
    assert_eq!(names, ["runs/other"]);
}

/// That scores are replaced is told when they are, and not by a command that fails.
#[test]
fn a_failed_evaluation_says_nothing_of_replacing() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "2"]);
    images(&path.join("photos"), &["a", "b"], 20);
    let header = "path,old,young\n";
    let row = |i: usize| format!("train/a/{i:03}.png,{},{}\n", i % 2, i / 2 % 2);
    let train = (0..20).map(row).collect::<String>();
    fs::write(path.join("photos/train.csv"), format!("{header}{train}")).expect("written");
    let test = "test/a/000.png,0,1\ntest/b/000.png,1,0\n";
    fs::write(path.join("photos/test.csv"), format!("{header}{test}")).expect("written");
    let data = ["--head", "multi-label", "--data", "csv", "--data-path", "photos", "data.channels=1"];
    let columns = "data.reader.label_columns=[\"old\",\"young\"]";
    eval(path, &[&data[..], &[columns]].concat());
    let scores = path.join("run/eval/multi-label-csv/pretrained-seed0/scores.json");
    let before = fs::read(&scores).expect("scores");
    let output = run(path, &[&["eval", "run"], &SHORT[..], &data].concat());
    assert!(!output.status.success());
    let text = stderr(&output);
    assert!(text.contains("label_columns") && !text.contains("replaces"), "{text}");
    assert!(fs::read(&scores).expect("scores") == before);
    assert!(eval(path, &[&data[..], &[columns]].concat()).1.contains("replaces the scores in"));
}

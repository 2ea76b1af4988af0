//! The runs of a folder, and one of them.

use std::fs;

use serde_json::Value;

use crate::driver::{folder, run, stderr, succeed};

#[test]
fn runs_are_listed_with_where_they_stand() {
    let folder = folder();
    let path = folder.path();
    let none = succeed(path, &["run", "list"]);
    assert!(stderr(&none).contains("no runs in runs; start one"), "{}", stderr(&none));
    assert_eq!(run(path, &["run", "list", "elsewhere"]).status.code(), Some(2));
    succeed(path, &["pretrain", "tiny.toml", "--out", "runs/a", "--steps", "5"]);
    succeed(path, &["pretrain", "tiny.toml", "--out", "runs/deep/b", "train.steps=0", "train.epochs=0.02"]);
    // As a run that was killed leaves it: the checkpoint of its start, and what it had logged.
    fs::remove_file(path.join("runs/deep/b/summary.json")).expect("removed");
    // What a comparison leaves beside its figures is no run.
    fs::create_dir(path.join("runs/compared")).expect("made");
    for name in ["config.toml", "env.json"] {
        fs::copy(path.join("runs/a").join(name), path.join("runs/compared").join(name)).expect("copied");
    }
    let listed = |args: &[&str]| -> Value {
        let output = succeed(path, args);
        serde_json::from_slice(&output.stdout).expect("one line of JSON")
    };
    let runs = listed(&["run", "list", "--json"]);
    assert_eq!(runs.as_array().expect("a list").len(), 2, "{runs}");
    let (a, b) = (&runs[0], &runs[1]);
    assert_eq!(a["run"], "runs/a");
    assert_eq!(a["name"], "tiny");
    assert_eq!(a["state"], "finished");
    assert_eq!(a["finished"], true);
    assert_eq!([&a["steps"], &a["total"]].map(Value::as_u64), [Some(5); 2]);
    let summary: Value =
        serde_json::from_slice(&fs::read(path.join("runs/a/summary.json")).expect("read")).expect("JSON");
    assert_eq!(a["loss"], summary["loss"]);
    assert!(a["bytes"].as_u64() > Some(10_000), "{a}");
    // 8,000 images by 16: 500 steps an epoch, a fiftieth of which is 10.
    assert_eq!(b["run"], "runs/deep/b");
    assert_eq!(b["finished"], false);
    assert_eq!([&b["steps"], &b["total"]].map(Value::as_u64), [Some(10); 2]);
    assert!(b["loss"].is_f64(), "{b}");
    let text = String::from_utf8_lossy(&succeed(path, &["run", "list"]).stdout).into_owned();
    assert!(text.lines().any(|l| l.starts_with("runs/a ") && l.contains("5 of 5")), "{text}");
    assert!(text.lines().any(|l| l.starts_with("runs/deep/b ") && l.contains("not finished")), "{text}");

    let shown = listed(&["run", "show", "runs/a", "--json"]);
    assert_eq!(shown["checkpoints"], serde_json::json!([0, 5]));
    assert_eq!(shown["facts"]["device"], "cpu");
    let text = String::from_utf8_lossy(&succeed(path, &["run", "show", "runs/a"]).stdout).into_owned();
    for part in ["state", "finished", "backend", "burn", "pretrain tiny.toml --out runs/a --steps 5", "hash"]
    {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

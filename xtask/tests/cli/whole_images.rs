//! Label sets and numbers from a list of images to scores, as a user goes there.

use std::fs;
use std::path::Path;

use palimpsest_tests::{python, shapes};
use serde_json::Value;

use crate::driver::{TINY, folder, run, stderr, succeed};

const LABELS: &str = "data.reader.label_columns=[\"red\", \"green\", \"blue\"]";
const LISTS: &str = "data.reader.label_list_column=colours";
const VALUES: &str = "data.reader.value_columns=[\"brightness\", \"squares\"]";
const FIT: [&str; 5] = [
    "train.steps=150",
    "train.batch=60",
    "optimizer.lr=0.03",
    "optimizer.lr_batch=0",
    "schedule.warmup_epochs=1.0",
];

/// A run that was pre-trained on the images of a list of 400, of which every fourth is for testing.
fn trained() -> tempfile::TempDir {
    let folder = folder();
    shapes::write(folder.path(), 400);
    let data =
        "name = \"csv\"\npath = \"list.csv\"\nimage_size = 16\nchannels = 3\nmean = [0.5]\nstd = [0.3]";
    let old = "image_size = 16\nchannels = 1\nmean = [0.286]\nstd = [0.353]";
    assert!(TINY.contains(old));
    fs::write(folder.path().join("shapes.toml"), TINY.replace(old, data)).expect("written");
    succeed(folder.path(), &["pretrain", "shapes.toml", "--out", "run", "--steps", "4"]);
    folder
}

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = succeed(folder, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// scikit-learn's figures of the predictions that were written are ours.
#[expect(clippy::print_stdout, reason = "why a check was skipped")]
fn scikit_learn_agrees(saved: &Path, scores: &Value) {
    if let Err(reason) = python::available("sklearn, safetensors, numpy") {
        println!("skipped: {reason}");
        return;
    }
    let theirs = python::run("predictions_sklearn.py", &[&saved.join("predictions.safetensors")]);
    for (figure, value) in theirs.as_object().expect("figures") {
        let (ours, theirs) = (scores[figure].as_f64().expect("a figure"), value.as_f64().expect("a figure"));
        // Printed with twelve digits.
        assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0), "{figure}: {ours}, not {theirs}");
    }
}

#[test]
fn labels_and_numbers_are_learnt_and_scored() {
    let folder = trained();
    let path = folder.path();
    let fit = |head: &str, keys: &str, more: &[&str]| {
        let args = ["eval", "run", "--head", head, "--json", "--no-baseline", keys];
        let scores = json(path, &[&args, &FIT[..], more].concat());
        scores["eval"]["pretrained"][head].clone()
    };
    let scores = fit("multi-label", LABELS, &[]);
    assert_eq!(scores["compared"], "map");
    // Two in five have a label: that is a random ranking's average precision.
    let map = scores["map"].as_f64().expect("a figure");
    assert!(map > 0.7, "{scores}");
    let saved = path.join("run/eval/multi-label-csv/pretrained-seed0");
    scikit_learn_agrees(&saved, &scores);
    let table = fs::read_to_string(saved.join("classes.csv")).expect("a table");
    assert!(table.lines().count() == 4 && table.contains("\ngreen,"), "{table}");
    // Lists have no unknown labels, and are sorted by name.
    let lists =
        fit("multi-label", LISTS, &["--out", "lists", "class_weights=[1.0, 2.0, 1.0]", "balance=true"]);
    assert!(lists["map"].as_f64().expect("a figure") > 0.7, "{lists}");
    scikit_learn_agrees(&path.join("lists/multi-label-csv/pretrained-seed0"), &lists);

    let scores = fit("regression", VALUES, &[]);
    assert_eq!(scores["compared"], "r2");
    assert!(scores["r2/brightness"].as_f64().expect("a figure") > 0.6, "{scores}");
    scikit_learn_agrees(&path.join("run/eval/regression-csv/pretrained-seed0"), &scores);
    let tuned =
        fit("regression", VALUES, &["--out", "tuned", "train.tune=last:1", "loss=l2", "train.steps=10"]);
    assert!(tuned["rmse"].as_f64().is_some_and(f64::is_finite), "{tuned}");

    succeed(path, &["report", "run", "--out", "page.html"]);
    let page = fs::read_to_string(path.join("page.html")).expect("a page");
    for part in
        ["Fitted heads", "multi-label-csv", "average_precision", "green", "regression-csv", "brightness"]
    {
        assert!(page.contains(part), "`{part}` is not in the page");
    }
}

#[test]
fn what_fitting_takes_is_told_before() {
    let folder = trained();
    let path = folder.path();
    for (head, keys) in [("multi-label", LABELS), ("regression", VALUES)] {
        let plan =
            json(path, &["eval", "run", "--head", head, "--dry-run", "--json", keys, "train.batch=20"]);
        let plan = &plan["plan"]["csv"]["plan"][head];
        assert_eq!(plan["images"], serde_json::json!([300, 100]), "{plan}");
        assert!(plan["trained"].as_u64() < plan["parameters"].as_u64(), "the encoder is frozen: {plan}");
    }
    let notes =
        succeed(path, &["eval", "run", "--head", "regression", "--dry-run", VALUES, "train.batch=20"]);
    assert!(stderr(&notes).contains("`squares`: mean "), "{}", stderr(&notes));
    for (args, parts) in [
        (&["--head", "multi-label"][..], &["no columns of labels are named", "label_columns"][..]),
        (&["--head", "regression", VALUES, "loss=l3"], &["`loss`", "l3", "l2"]),
        (
            &["--head", "regression", "data.reader.value_columns=[\"brihtness\"]"],
            &["`brihtness`", "`brightness`"],
        ),
        (&["--head", "multi-label", LABELS, "blocks=9", "train.batch=8"], &["`blocks`", "3 blocks"]),
        (
            &["--head", "multi-label", LABELS, "positive_weights=[1.0]", "train.batch=8"],
            &["`positive_weights`", "3 labels"],
        ),
        (&["--head", "multi-label", LABELS, "--shots", "2", "train.batch=8"], &["--shots", "no one class"]),
        (
            &["--head", "multi-label", "--data", "fashion-mnist"],
            &["`fashion-mnist` has no label sets", "csv"],
        ),
    ] {
        let output = run(path, &[&["eval", "run"], args].concat());
        let text = stderr(&output);
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!((errors.len(), output.status.code()), (1, Some(2)), "{args:?}: {text}");
        parts
            .iter()
            .for_each(|part| assert!(errors[0].contains(part), "{args:?}: no `{part}`: {}", errors[0]));
    }
}

#[test]
fn heads_are_explained() {
    let folder = folder();
    for (head, parts) in [
        (
            "multi-label",
            &["BCEWithLogitsLoss", "data.reader.label_columns", "positive_weights", "train.tune"][..],
        ),
        ("regression", &["SmoothL1Loss", "data.reader.value_columns", "r2_score", "augment.flip"]),
    ] {
        let output = succeed(folder.path(), &["part", "show", "head", head]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in: {text}"));
        let shown = json(folder.path(), &["part", "show", "head", head, "--json"]);
        assert!(shown["about"].as_str().is_some_and(|about| about.contains("--head")), "{shown}");
    }
}

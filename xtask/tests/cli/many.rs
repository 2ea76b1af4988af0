//! Many runs: choosing, comparing, tagging and pruning them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::driver::{command, folder, run, stderr, succeed};
use crate::survival::wait_for;

fn json(path: &Path, args: &[&str]) -> Value {
    serde_json::from_slice(&succeed(path, &[args, &["--json"]].concat()).stdout).expect("one line of JSON")
}

fn text(path: &Path, args: &[&str]) -> String {
    String::from_utf8_lossy(&succeed(path, args).stdout).into_owned()
}

/// What a wrong command is told.
fn refused(path: &Path, args: &[&str]) -> String {
    let output = run(path, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    stderr(&output)
}

/// The folders of the runs that a command lists.
fn listed(path: &Path, args: &[&str]) -> Vec<String> {
    let runs = json(path, args);
    let name = |run: &Value| run["run"].as_str().expect("a folder").to_owned();
    runs.as_array().expect("a list").iter().map(name).collect()
}

/// A copy of a run with another seed, rate and score, last touched an hour ago.
fn copy(from: &Path, to: &Path, (seed, rate, score): (u64, &str, f64)) {
    for sub in ["checkpoints", "samples"] {
        fs::create_dir_all(to.join(sub)).expect("made");
    }
    for entry in fs::read_dir(from.join("checkpoints")).expect("listed").flatten() {
        fs::copy(entry.path(), to.join("checkpoints").join(entry.file_name())).expect("copied");
    }
    let config = fs::read_to_string(from.join("config.toml")).expect("read");
    let config =
        config.replace("seed = 0", &format!("seed = {seed}")).replace("lr = 0.001", &format!("lr = {rate}"));
    fs::write(to.join("config.toml"), config).expect("written");
    for name in ["env.json", "train.log", "metrics.jsonl"] {
        fs::copy(from.join(name), to.join(name)).expect("copied");
    }
    let scores = |knn: f64| serde_json::json!({ "knn": { "accuracy": knn } });
    let eval = serde_json::json!({ "pretrained": scores(score), "random": scores(0.5) });
    let mut summary: Value =
        serde_json::from_slice(&fs::read(from.join("summary.json")).expect("read")).expect("JSON");
    summary["eval"] = eval;
    fs::write(to.join("summary.json"), summary.to_string()).expect("written");
    age(to, Duration::from_secs(3600));
}

/// Makes a run's files and folders older.
fn age(run: &Path, by: Duration) {
    let then = SystemTime::now() - by;
    for path in fs::read_dir(run).expect("listed").flatten().map(|entry| entry.path()) {
        fs::File::open(path).and_then(|file| file.set_modified(then)).expect("aged");
    }
}

/// A folder with a run `base` of 5 steps, and copies of it `sweep/1` … that score more and more.
fn sweep(count: u64) -> tempfile::TempDir {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "base", "--steps", "5"]);
    for i in 1..=count {
        let rate = if i % 2 == 0 { "0.01" } else { "0.001" };
        let to = path.join("sweep").join(i.to_string());
        copy(&path.join("base"), &to, (i, rate, (60 + i) as f64 / 100.0));
    }
    folder
}

#[test]
fn runs_are_chosen_and_sorted_by_any_key() {
    let folder = sweep(4);
    let path = folder.path();
    fs::remove_file(path.join("sweep/4/summary.json")).expect("removed");
    let list = |more: &[&str]| listed(path, &[&["run", "list", "sweep"], more].concat());
    // The unfinished one has no score, and comes last both ways.
    assert_eq!(list(&["--sort", "knn:desc"]), ["sweep/3", "sweep/2", "sweep/1", "sweep/4"]);
    assert_eq!(list(&["--sort", "knn"]), ["sweep/1", "sweep/2", "sweep/3", "sweep/4"]);
    assert_eq!(list(&["--sort", "optimizer.lr,seed:desc"]), ["sweep/3", "sweep/1", "sweep/4", "sweep/2"]);
    assert_eq!(list(&["--where", "optimizer.lr > 1e-3"]), ["sweep/2", "sweep/4"]);
    assert_eq!(list(&["--where", "optimizer.lr=0.01", "--where", "knn >= 60%"]), ["sweep/2"]);
    assert_eq!(list(&["--where", "state = finished", "-n", "1"]), ["sweep/1"]);
    assert_eq!(list(&["--where", "!knn"]), ["sweep/4"]);
    assert_eq!(list(&["--where", "gain.knn > 0.115"]), ["sweep/2", "sweep/3"]);
    assert_eq!(list(&["--where", "data.name ~ fashion", "--where", "size < 1GB"]).len(), 4);
    assert_eq!(list(&["--where", "started < 2000-01-01"]), [""; 0]);
    let columns = json(path, &["run", "list", "sweep", "--columns", "seed,optimizer.lr,score.knn"]);
    assert_eq!(
        columns[1],
        serde_json::json!({"run": "sweep/2", "seed": 2, "optimizer.lr": 0.01, "score.knn": 0.62})
    );
    let table = text(path, &["run", "list", "sweep", "--columns", "run,seed,knn"]);
    assert!(table.lines().any(|line| line.split_whitespace().eq(["sweep/3", "3", "63.00", "%"])), "{table}");

    for (args, told) in [
        (&["--sort", "optimzer.lr"][..], "did you mean `optimizer.lr`?"),
        (&["--where", "lr = 3"], "did you mean `optimizer.lr`?"),
        (&["--columns", "kn"], "did you mean `knn`?"),
        (&["--where", "loss < little"], "`loss` is a number in every run, and `little` is none"),
        (&["--where", "= 3"], "write KEY OP VALUE"),
        (&["--sort", "knn:down"], "`down` is no direction"),
    ] {
        let told_now = refused(path, &[&["run", "list", "sweep"], args].concat());
        assert!(told_now.contains(told), "{told_now}");
    }
    let none = succeed(path, &["run", "list", "sweep", "--where", "seed > 99"]);
    assert!(stderr(&none).contains("none of the 4 runs in sweep"), "{}", stderr(&none));
}

#[test]
fn the_best_runs_are_told_for_a_shell() {
    let folder = sweep(4);
    let path = folder.path();
    assert_eq!(text(path, &["run", "best", "sweep", "--by", "knn", "--path"]), "sweep/4\n");
    let two = ["run", "best", "sweep", "--by", "knn", "--where", "optimizer.lr < 0.005", "-n", "2", "--path"];
    assert_eq!(text(path, &two), "sweep/3\nsweep/1\n");
    let lowest = json(path, &["run", "best", "sweep", "--by", "loss"]);
    assert_eq!(lowest[0]["run"], "sweep/1", "of equal ones the first: {lowest}");
    assert_eq!(json(path, &["run", "best", "sweep", "--by", "score.knn"])[0]["value"], 0.64);
    assert!(refused(path, &["run", "best", "sweep", "--by", "linear"]).contains("no run has a key `linear`"));
    assert!(
        refused(path, &["run", "best", "sweep", "--by", "name"]).contains("no run there has a number `name`")
    );
    assert!(refused(path, &["run", "best", "nowhere", "--by", "knn"]).contains("nowhere: no such file"));
}

/// The index beside many runs: what it says counts only while the runs' files are as they were.
#[test]
fn the_index_is_never_trusted() {
    let folder = sweep(20);
    let path = folder.path();
    let index = path.join("sweep/.runs.json");
    // Folders that were made just now may change again without a sign.
    let list = || listed(path, &["run", "list", "sweep", "--sort", "knn:desc", "-n", "1"]);
    assert_eq!(list(), ["sweep/20"]);
    std::thread::sleep(Duration::from_millis(3500));
    assert_eq!(list(), ["sweep/20"]);
    let kept = fs::read_to_string(&index).expect("the index of twenty runs");
    assert_eq!(list(), ["sweep/20"]);
    // A run that changed, one that is new, one that is gone.
    let summary = path.join("sweep/7/summary.json");
    fs::write(&summary, fs::read_to_string(&summary).expect("read").replace("0.67", "0.97"))
        .expect("written");
    assert_eq!(list(), ["sweep/7"]);
    copy(&path.join("base"), &path.join("sweep/new"), (99, "0.001", 0.99));
    assert_eq!(list(), ["sweep/new"]);
    fs::remove_dir_all(path.join("sweep/new")).expect("removed");
    assert_eq!(list(), ["sweep/7"]);
    // What is broken, of another program, or claims what is not there, is no index.
    let lies = kept.replacen("\"settings\":[0", "\"settings\":[999999", 1);
    assert!(lies != kept);
    for bad in
        ["", "{}", "no JSON", &kept[..kept.len() / 2], &lies, &kept.replace("\"format\":1", "\"format\":0")]
    {
        fs::write(&index, bad).expect("written");
        assert_eq!(list(), ["sweep/7"]);
    }
    // Nor is what can't be read or written.
    fs::remove_file(&index).expect("removed");
    fs::create_dir(&index).expect("made");
    assert_eq!(list(), ["sweep/7"]);
    // A few runs leave nothing behind.
    listed(path, &["run", "list", "sweep/1"]);
    assert!(!path.join("sweep/1/.runs.json").exists());
}

#[test]
fn tags_and_notes_are_kept_with_the_run() {
    let folder = sweep(3);
    let path = folder.path();
    let tags = json(path, &["run", "tag", "sweep/1", "sweep/2", "+keep", "+draft", "note=for the table"]);
    assert_eq!(
        tags[1],
        serde_json::json!({"run": "sweep/2", "tags": ["draft", "keep"], "note": "for the table"})
    );
    succeed(path, &["run", "tag", "sweep/2", "-draft"]);
    assert_eq!(listed(path, &["run", "list", "sweep", "--where", "tags = keep"]), ["sweep/1", "sweep/2"]);
    assert_eq!(listed(path, &["run", "list", "sweep", "--where", "tags != draft"]), ["sweep/2", "sweep/3"]);
    assert_eq!(listed(path, &["run", "list", "sweep", "--where", "note ~ table"]), ["sweep/1", "sweep/2"]);
    let table = text(path, &["run", "list", "sweep"]);
    assert!(table.contains("draft, keep") && table.contains("for the table"), "{table}");
    assert!(text(path, &["run", "show", "sweep/2"]).contains("keep"));
    assert_eq!(text(path, &["run", "tag", "sweep/1", "note="]).trim(), "sweep/1  draft, keep");
    assert!(refused(path, &["run", "tag", "sweep/1", "+a b"]).contains("is no tag"));
    assert!(refused(path, &["run", "tag", "sweep", "+a"]).contains("holds no run"));
    assert!(refused(path, &["run", "tag", "sweep/1", "--jsno"]).contains("unknown option `--jsno`"));
    assert!(refused(path, &["run", "tag", "+a"]).contains("no run is named"));
    fs::write(path.join("sweep/3/tags.json"), "half").expect("written");
    assert!(refused(path, &["run", "tag", "sweep/3", "+a"]).contains("holds no tags"));
    // A broken file is told, and hides no run.
    assert_eq!(listed(path, &["run", "list", "sweep"]).len(), 3);
}

#[test]
fn differences_are_told_apart() {
    let folder = sweep(2);
    let path = folder.path();
    let config = path.join("sweep/2/config.toml");
    fs::write(&config, fs::read_to_string(&config).expect("read").replace("workers = 1", "workers = 3"))
        .expect("written");
    let found = json(path, &["run", "diff", "sweep/1", "sweep/2"]);
    let keys = |part: &str| -> Vec<String> {
        let rows = found[part].as_array().expect("rows").iter();
        rows.map(|row| format!("{}: {}", row["key"].as_str().expect("a key"), row["values"])).collect()
    };
    assert_eq!(keys("decisive"), ["optimizer.lr: [\"0.001\",\"0.01\"]", "seed: [\"1\",\"2\"]"]);
    assert_eq!(keys("other"), ["data.workers: [\"1\",\"3\"]"]);
    assert_eq!(found["environment"], serde_json::json!([]));
    assert_eq!(found["scores"][0]["pretrained"], serde_json::json!([0.61, 0.62]));
    assert_eq!(found["loss"][0]["step"], 5);
    assert_eq!(found["loss"][0]["values"][0], found["loss"][0]["values"][1]);
    let output = succeed(path, &["run", "diff", "sweep/1", "sweep/2"]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        table.contains("optimizer.lr") && table.contains("61.00 %") && table.contains("step 5"),
        "{table}"
    );
    assert!(stderr(&output).contains("cargo xtask report sweep/1 sweep/2"), "{}", stderr(&output));
    let same = text(path, &["run", "diff", "sweep/1", "sweep/1"]);
    assert!(same.contains("the recipes decide the same weights"), "{same}");
    assert_eq!(run(path, &["run", "diff", "sweep/1"]).status.code(), Some(2));
}

fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    // One that is being written has another name.
    found.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    found.sort();
    found
}

#[test]
fn pruning_says_first_and_spares_what_is_needed() {
    let folder = sweep(5);
    let path = folder.path();
    let of = |i: usize| checkpoints(&path.join(format!("sweep/{i}")));
    assert!(refused(path, &["run", "prune", "sweep", "--yes"]).contains("nothing says what may go"));
    assert!(
        refused(path, &["run", "prune", "sweep", "--whole", "--yes"]).contains("nothing says what may go")
    );
    // Nothing goes without being asked for.
    let told = json(path, &["run", "prune", "sweep", "--keep-last-checkpoint"]);
    assert_eq!(told["dry_run"], true);
    assert_eq!(told["runs"].as_array().expect("runs").len(), 5);
    assert_eq!(told["runs"][0]["steps"], serde_json::json!([0]));
    assert!((1..=5).all(|i| of(i).len() == 2));
    let table = text(path, &["run", "prune", "sweep", "--keep-last-checkpoint", "--dry-run"]);
    assert!(table.contains("nothing was removed: --yes does it"), "{table}");

    // 1 is tagged, 2 gave its weights to another, 5 is the best, 4 too young, so that 3 alone goes.
    succeed(path, &["run", "tag", "sweep/1", "+keep"]);
    let config = path.join("sweep/4/config.toml");
    let from = "\"sweep/2/checkpoints/step-000000005.safetensors\"";
    let text_before = fs::read_to_string(&config).expect("read");
    fs::write(&config, text_before.replacen("name = ", &format!("init_from = {from}\nname = "), 1))
        .expect("written");
    let prune = ["run", "prune", "sweep", "--keep-best", "1", "--by", "knn", "--older-than", "30m", "--yes"];
    let done = json(path, &prune);
    assert_eq!(done["runs"].as_array().expect("runs").len(), 1, "{done}");
    assert_eq!(done["runs"][0]["run"], "sweep/3");
    let why = |i: usize| done["kept"][i]["why"].as_str().expect("a reason").to_owned();
    assert_eq!((why(0).as_str(), why(1).as_str()), ("it is tagged keep", "sweep/4 starts from its weights"));
    assert_eq!([1, 2, 3, 4, 5].map(|i| of(i).len()), [2, 2, 0, 2, 2]);
    assert!(path.join("sweep/3/metrics.jsonl").exists(), "the record stays");

    // The newest that is whole stays, whatever lies behind it.
    let damaged = &of(5)[1];
    let bytes = fs::read(damaged).expect("read");
    fs::write(damaged, &bytes[..bytes.len() / 2]).expect("written");
    let args = ["run", "prune", "sweep/5", "--keep-last-checkpoint", "--yes"];
    assert_eq!(json(path, &args)["bytes"], 0);
    assert_eq!(of(5).len(), 2);

    // Whole runs: 4, which is unfinished; then nothing starts from 2 any more.
    fs::remove_file(path.join("sweep/4/summary.json")).expect("removed");
    let whole = ["run", "prune", "sweep", "--whole", "--unfinished", "--yes"];
    assert_eq!(json(path, &whole)["runs"][0]["removes"], "run");
    assert!(!path.join("sweep/4").exists());
    let rest = ["run", "prune", "sweep", "--whole", "--where", "seed <= 2", "--yes"];
    assert_eq!(json(path, &rest)["runs"][0]["run"], "sweep/2");
    assert!(path.join("sweep/1").exists() && !path.join("sweep/2").exists());
}

#[test]
fn a_run_that_is_trained_is_told_and_spared() {
    let folder = folder();
    let path = folder.path();
    let args =
        ["pretrain", "tiny.toml", "--out", "runs/now", "--steps", "1000000", "train.checkpoint_every=0.1"];
    let mut child = command(path, &args).stderr(Stdio::null()).spawn().expect("the driver starts");
    wait_for("two checkpoints", || {
        checkpoints(&path.join("runs/now")).len() > 1 && path.join("runs/now/metrics.jsonl").exists()
    });
    let runs = json(path, &["run", "list"]);
    assert_eq!(runs[0]["running"], true, "{runs}");
    assert!(runs[0]["state"].as_str().is_some_and(|state| state.starts_with("running")), "{runs}");
    assert_eq!(listed(path, &["run", "list", "--where", "state = running"]), ["runs/now"]);
    for how in ["--keep-last-checkpoint", "--unfinished"] {
        let done = json(path, &["run", "prune", "runs", how, "--yes"]);
        assert_eq!(done["kept"][0]["why"], "a process trains in it", "{done}");
        assert_eq!(done["bytes"], 0);
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(listed(path, &["run", "list", "--where", "state = not finished"]), ["runs/now"]);
    let done = json(path, &["run", "prune", "runs", "--whole", "--unfinished", "--yes"]);
    assert_eq!(done["runs"].as_array().map(Vec::len), Some(1), "{done}");
    assert!(!path.join("runs/now").exists());
}

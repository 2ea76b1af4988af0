//! Studies, as their user runs them.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::driver::{command, folder, run, stderr, succeed};

/// Two cells of two seeds, which take seconds.
pub(crate) const STUDY: &str = r#"
name = "tiny"
title = "Does noise matter?"
recipe = "tiny.toml"
seeds = [0, 1]
[set]
"train.steps" = 4
"eval.train_images" = 64
"eval.test_images" = 64
[[grid]]
name = "noise"
[grid.axes]
"noise.share" = [0.5, 1.0]
[[head]]
head = "knn"
[[compare]]
name = "More noise is better"
a = { "noise.share" = 1.0 }
b = { "noise.share" = 0.5 }
"#;

fn write(path: &Path, text: &str) {
    fs::write(path.join("study.toml"), text).expect("written");
}

/// The line of JSON that a command ended with.
pub(crate) fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_study_is_planned_run_and_judged() {
    let folder = folder();
    let path = folder.path();
    write(path, STUDY);
    let told = succeed(path, &["study", "run", "study.toml", "--dry-run", "--json"]);
    let plan = json(&told);
    assert_eq!((plan["cells"].as_u64(), plan["left"].as_u64()), (Some(2), Some(4)));
    assert!(plan["hours"].as_f64().expect("hours") > 0.0 && plan["gigabytes"].as_f64().expect("GB") > 0.0);
    // Two pairs: one in two patterns of signs is as extreme.
    assert_eq!(plan["least_p"].as_f64(), Some(0.5));
    assert!(stderr(&told).contains("no claim can be confirmed at 0.05; 6 seeds can\n"), "{}", stderr(&told));
    assert!(!path.join("runs").exists());

    let ended = json(&succeed(path, &["study", "run", "study.toml", "--workers", "2", "--json"]));
    assert_eq!((ended["measured"].as_u64(), ended["failed"].as_u64()), (Some(4), Some(0)));
    let study = path.join("runs/studies/tiny");
    let results: Value =
        serde_json::from_slice(&fs::read(study.join("results.json")).expect("results")).expect("JSON");
    assert_eq!(results["rows"].as_array().map(Vec::len), Some(2));
    // What the page says is what the runs gave.
    let trials = path.join("runs/studies/trials");
    let of_trials: Vec<f64> = fs::read_dir(&trials)
        .expect("trials")
        .map(|trial| {
            let trial = trial.expect("listed").path();
            let scores = json(&succeed(
                path,
                &[
                    "eval",
                    &trial.join("run").display().to_string(),
                    "--head",
                    "knn",
                    "--no-baseline",
                    "--json",
                    "--train-images",
                    "64",
                    "--test-images",
                    "64",
                ],
            ));
            scores["eval"]["pretrained"]["knn"]["accuracy"].as_f64().expect("a score")
        })
        .collect();
    let told = results["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|row| row["by_seed"].as_array().expect("seeds"));
    let mut told: Vec<f64> = told.filter_map(Value::as_f64).collect();
    let mut measured = of_trials.clone();
    told.sort_by(f64::total_cmp);
    measured.sort_by(f64::total_cmp);
    assert!(told.iter().zip(&measured).all(|(a, b)| (a - b).abs() < 1e-9), "{told:?} {measured:?}");
    let html = fs::read_to_string(study.join("report.html")).expect("a page");
    assert!(html.contains("More noise is better") && html.contains("be said"), "{html}");
    assert!(study.join("tables/cells.csv").is_file() && study.join("tables/comparisons.tex").is_file());

    // Another study with the same cells has them already; a further head is measured alone.
    write(
        path,
        &STUDY.replace("\"tiny\"", "\"second\"").replace(
            "[[compare]]",
            "[[head]]\nhead = \"knn\"\nname = \"k = 5\"\nset = { k = 5 }\n[[compare]]",
        ),
    );
    let told = succeed(path, &["study", "run", "study.toml"]);
    assert!(stderr(&told).contains("4 of 4 trials measured"), "{}", stderr(&told));
    for trial in fs::read_dir(&trials).expect("trials") {
        let log = fs::read_to_string(trial.expect("listed").path().join("log")).expect("a log");
        assert_eq!(log.matches("$ palimpsest pretrain").count(), 1, "{log}");
        assert_eq!(log.matches("--head knn").count(), 2, "{log}");
    }
    let list = json(&succeed(path, &["study", "list", "runs/studies/second", "--json"]));
    assert_eq!(list["cells"][0]["states"][0], "measured");
}

#[test]
fn a_bad_cell_is_told_before_anything_runs() {
    let folder = folder();
    let path = folder.path();
    for (old, new, told) in [
        ("[0.5, 1.0]", "[0.5, 1.5]", "noise.share = 1.5"),
        (
            "\"noise.share\" = [0.5, 1.0]",
            "\"train.log_every\" = [5, 10]",
            "is the same setting as, train.log_every = 5",
        ),
        ("[0.5, 1.0]", "{ from = 0.5, to = 1.0 }", "either `step` or `count`"),
        ("\"noise.share\" = [", "\"noise.shar\" = [", "did you mean `share`"),
        ("head = \"knn\"", "head = \"kn\"", "did you mean `knn`"),
        ("head = \"knn\"", "head = \"knn\"\nset = { kk = 3 }", "unknown key `kk`"),
        ("\"tiny.toml\"", "\"tin.toml\"", "tin.toml: no such file"),
        ("seeds = [0, 1]", "seeds = []", "no seeds"),
        ("head = \"knn\"", "head = \"knn\"\nblocks = 99", "99 blocks of an encoder that has 3"),
        ("head = \"knn\"", "head = \"knn\"\nfeatures = \"grid:9\"", "features"),
        ("head = \"knn\"", "head = \"knn\"\nshots = 1000000", "shots"),
        ("[0.5, 1.0]", "[1, 1.0]", "`1` twice"),
        ("\"noise.share\" = 1.0 }", "\"noise.share\" = 0.7 }", "More noise is better"),
        // Neither masks nor noise.
        (
            "\"noise.share\" = [0.5, 1.0]",
            "noise = [false]\ncorruption = [{ kind = \"none\" }]",
            "there is nothing to restore",
        ),
    ] {
        write(path, &STUDY.replacen(old, new, 1));
        let output = run(path, &["study", "run", "study.toml"]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{new}: {text}");
        assert!(text.contains(told), "{new}: {text}");
        assert!(!path.join("runs").exists(), "{new}");
    }
}

#[test]
fn a_cell_that_fails_stops_no_other() {
    let folder = folder();
    let path = folder.path();
    write(
        path,
        &STUDY
            .replace("\"noise.share\" = [0.5, 1.0]", "\"optimizer.lr\" = [1e-3, 1000.0]")
            .replace("\"noise.share\" = 1.0", "\"optimizer.lr\" = 1000.0")
            .replace("\"noise.share\" = 0.5", "\"optimizer.lr\" = 0.001")
            .replace("\"train.steps\" = 4", "\"train.steps\" = 30\n\"optimizer.clip\" = 0.0"),
    );
    let output = run(path, &["study", "run", "study.toml"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("2 of 4 trials measured, 2 failed") && text.contains("not finite"), "{text}");
    let failed = succeed(path, &["study", "list", "runs/studies/tiny", "--failed"]);
    let lines = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert_eq!(lines.lines().filter(|line| line.contains("optimizer.lr 1000")).count(), 2, "{lines}");
    let page = fs::read_to_string(path.join("runs/studies/tiny/report.html")).expect("a page");
    let section = page.split("<h2>Trials that failed</h2>").nth(1).expect("told on the page");
    assert_eq!(section.split("</section>").next().map(|rows| rows.matches("not finite").count()), Some(2));
    // Not begun again unasked; once when asked.
    let again = stderr(&run(path, &["study", "run", "study.toml"]));
    assert!(again.contains("2 failed") && !again.contains("failed: "), "{again}");
    let again = stderr(&run(path, &["study", "run", "study.toml", "--retry-failed"]));
    assert_eq!(again.matches("failed: ").count(), 2, "{again}");
}

#[test]
fn two_processes_share_a_study() {
    let folder = folder();
    let path = folder.path();
    write(path, STUDY);
    let start = || {
        let mut command = command(path, &["study", "run", "study.toml", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the driver starts")
    };
    let ended: Vec<Output> =
        [start(), start()].into_iter().map(|child| child.wait_with_output().expect("ended")).collect();
    for output in &ended {
        assert!(output.status.success());
        assert_eq!(json(output)["measured"].as_u64(), Some(4));
    }
    for trial in fs::read_dir(path.join("runs/studies/trials")).expect("trials") {
        let log = fs::read_to_string(trial.expect("listed").path().join("log")).expect("a log");
        assert_eq!(log.matches("$ palimpsest").count(), 2, "one training and one measurement: {log}");
    }
    // What was damaged is measured again, from the weights that are there.
    let trial = fs::read_dir(path.join("runs/studies/trials"))
        .expect("trials")
        .next()
        .expect("one")
        .expect("listed")
        .path();
    for file in fs::read_dir(trial.join("scores")).expect("scores") {
        fs::write(file.expect("listed").path(), "{\"half").expect("written");
    }
    let again = json(&succeed(path, &["study", "run", "study.toml", "--json"]));
    assert_eq!(again["measured"].as_u64(), Some(4));
    let log = fs::read_to_string(trial.join("log")).expect("a log");
    assert_eq!(
        (log.matches("$ palimpsest pretrain").count(), log.matches("$ palimpsest eval").count()),
        (1, 2),
        "{log}"
    );
}

/// Figures that aren't there, and processes that somebody else stops, are told; the latter are no faults of the trial's.
#[test]
fn what_a_head_has_not_is_told_at_the_first_trial() {
    let folder = folder();
    let path = folder.path();
    write(path, &STUDY.replace("head = \"knn\"", "head = \"knn\"\nscore = \"acuracy\""));
    let output = run(path, &["study", "run", "study.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did you mean `accuracy`"), "{}", stderr(&output));
    // The figure is all that was wrong: nothing is trained again.
    write(path, STUDY);
    let told = succeed(path, &["study", "run", "study.toml", "--retry-failed"]);
    assert!(stderr(&told).contains("4 of 4 trials measured"), "{}", stderr(&told));
    for trial in fs::read_dir(path.join("runs/studies/trials")).expect("trials") {
        let log = fs::read_to_string(trial.expect("listed").path().join("log")).expect("a log");
        assert_eq!(log.matches("$ palimpsest pretrain").count(), 1, "{log}");
    }
    // A plan that was damaged is made anew, and `--set` is above all.
    fs::create_dir(path.join("five")).expect("made");
    fs::write(path.join("five/plan.json"), "{").expect("written");
    let told = succeed(path, &["study", "run", "study.toml", "--set", "train.steps=5", "--out", "five"]);
    assert!(
        stderr(&told).contains("planned anew") && stderr(&told).contains("0 of them measured"),
        "{}",
        stderr(&told)
    );
    let output = run(path, &["study", "run", "study.toml", "--set", "train.steps=6", "--out", "five"]);
    assert!(
        stderr(&output).contains("planned with --set train.steps=5, not with --set train.steps=6"),
        "{}",
        stderr(&output)
    );
    let output = run(path, &["study", "run", "study.toml", "--set", "noise.share=0.7"]);
    assert!(stderr(&output).contains("`noise.share` is varied here"), "{}", stderr(&output));
}

/// A run that somebody went on with by hand is another setting.
#[test]
fn a_run_that_was_changed_by_hand_is_not_its_cell_s() {
    let folder = folder();
    let path = folder.path();
    write(path, STUDY);
    succeed(path, &["study", "run", "study.toml"]);
    let trial = fs::read_dir(path.join("runs/studies/trials"))
        .expect("trials")
        .next()
        .expect("one")
        .expect("listed")
        .path();
    let config = trial.join("run/config.toml");
    let text = fs::read_to_string(&config).expect("a recipe");
    fs::write(&config, text.replace("lr = 0.001", "lr = 0.002")).expect("written");
    fs::remove_dir_all(trial.join("scores")).expect("removed");
    let output = run(path, &["study", "run", "study.toml"]);
    assert!(
        stderr(&output).contains("changed by hand (optimizer.lr: 0.001 -> 0.002)"),
        "{}",
        stderr(&output)
    );
    let told = succeed(path, &["study", "run", "study.toml", "--retry-failed"]);
    assert!(stderr(&told).contains("4 of 4 trials measured"), "{}", stderr(&told));
    assert!(fs::read_to_string(&config).expect("a recipe").contains("lr = 0.001"));
}

/// Reports never forget what was measured: not where trials lie elsewhere, not from within the study's folder.
#[test]
fn a_report_keeps_what_was_measured() {
    let folder = folder();
    let path = folder.path();
    write(path, STUDY);
    succeed(path, &["study", "run", "study.toml", "--trials", "far/trials"]);
    let study = path.join("runs/studies/tiny");
    let lines = || fs::read_to_string(study.join("trials.jsonl")).expect("an archive").lines().count();
    assert_eq!(lines(), 4);
    succeed(path, &["study", "report", "runs/studies/tiny"]);
    let results = fs::read_to_string(study.join("results.json")).expect("results");
    assert!(results.contains("by_seed"), "{results}");
    fs::rename(path.join("far"), path.join("gone")).expect("moved");
    succeed(&study, &["study", "report", "."]);
    assert_eq!((lines(), fs::read_to_string(study.join("results.json")).expect("results")), (4, results));
}

#[test]
fn scores_come_back_without_weights() {
    let folder = folder();
    let path = folder.path();
    write(path, STUDY);
    succeed(path, &["study", "run", "study.toml"]);
    let results = fs::read_to_string(path.join("runs/studies/tiny/results.json")).expect("results");
    let list = ["study", "list", "runs/studies/tiny", "--trials", "nowhere", "--json"];
    assert_eq!(json(&succeed(path, &list))["cells"][0]["states"][0], "measured");
    let restored = json(&succeed(
        path,
        &["study", "restore", "runs/studies/tiny", "--trials", "elsewhere/trials", "--json"],
    ));
    assert_eq!(restored["restored"].as_u64(), Some(4));
    let told = succeed(path, &["study", "run", "study.toml", "--out", "elsewhere/tiny"]);
    assert!(stderr(&told).contains("4 of them measured"), "{}", stderr(&told));
    assert_eq!(fs::read_to_string(path.join("elsewhere/tiny/results.json")).expect("results"), results);
}

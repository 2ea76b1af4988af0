//! What a study says of scores that are known: differences, tests and verdicts against figures worked out by hand.

use std::path::Path;

use palimpsest_study::archive::{Found, lines, restore};
use palimpsest_study::comparison::Verdict;
use palimpsest_study::file::StudyFile;
use palimpsest_study::plan::{ImagesOfCell, Plan};
use palimpsest_study::planner::Planner;
use palimpsest_study::results::Results;
use palimpsest_study::trial::TrialFolder;
use palimpsest_study::written::tables;
use serde_json::json;

const STUDY: &str = r#"
name = "s"
recipe = "r"
seeds = { from = 0, to = 6, step = 1 }
[[grid]]
name = "g"
[grid.axes]
"noise.share" = [0.5, 1.0]
"objective.visible.weight" = [0.0, 1.0]
[[head]]
head = "knn"
[[head]]
head = "linear"
seeds = [0, 1]
[[compare]]
name = "more noise"
a = { "noise.share" = 1.0 }
b = { "noise.share" = 0.5 }
heads = ["knn"]
[[compare]]
name = "less noise"
a = { "noise.share" = 0.5 }
b = { "noise.share" = 1.0 }
heads = ["knn"]
[[compare]]
name = "the loss on visible tokens"
a = { "objective.visible.weight" = 1.0 }
b = { "objective.visible.weight" = 0.0 }
heads = ["knn"]
[[interaction]]
name = "both"
first = [{ "noise.share" = 0.5 }, { "noise.share" = 1.0 }]
second = [{ "objective.visible.weight" = 0.0 }, { "objective.visible.weight" = 1.0 }]
heads = ["knn"]
[[relation]]
name = "k-NN and linear"
x = "knn"
y = "linear"
"#;

fn plan(folder: &Path) -> Plan {
    let recipe = "preset = \"paper\"\nname = \"r\"\n[data]\nimage_size = 16\n[encoder]\nsize = \"micro\"\npatch = 4\n[corruption]\ncell = 8\n";
    std::fs::write(folder.join("r.toml"), recipe).expect("room");
    let study = StudyFile::parse("s.toml", STUDY).expect("a study");
    let mut planner = Planner {
        backend: "burn",
        overrides: &[],
        locate: &|name| Ok(folder.join(format!("{name}.toml"))),
        check: &mut |_| Ok(ImagesOfCell::default()),
    };
    planner.plan(&study, STUDY).expect("a plan")
}

/// k-NN of a cell with a seed: noise adds two images of 1,000 with every seed, the loss on visible tokens one, none or minus
/// one, and both together three more with the first seed.
fn knn(share: &str, weight: &str, seed: u64) -> f64 {
    let mut right = 500 + 7 * seed;
    right += if share == "1" { 2 } else { 0 };
    right += if weight == "1" { seed % 3 } else { 1 };
    right += if share == "1" && weight == "1" && seed == 0 { 3 } else { 0 };
    right as f64 / 1000.0
}

fn measure(plan: &Plan, trials: &Path, seeds: u64) {
    for trial in plan.trials.iter().filter(|trial| trial.seed < seeds) {
        let cell = &plan.cells[trial.cell];
        let (share, weight) = (&cell.levels["noise.share"], &cell.levels["objective.visible.weight"]);
        let folder = TrialFolder::of(trials, &trial.id);
        let value = knn(share, weight, trial.seed);
        for measurement in plan.measurements(cell) {
            let scores = if measurement.key.starts_with("knn") {
                json!({ "knn": { "accuracy": value, "compared": "accuracy", "test": { "images": 1000 } } })
            } else {
                let by_seed =
                    json!([{ "seed": 0, "accuracy": value - 0.01 }, { "seed": 1, "accuracy": value + 0.01 }]);
                json!({ "linear": { "accuracy": value, "compared": "accuracy", "by_seed": by_seed } })
            };
            folder.keep_scores(&measurement.key, &json!({ "eval": { "pretrained": scores } })).expect("room");
        }
        let run = folder.path("run");
        std::fs::create_dir_all(&run).expect("room");
        std::fs::write(run.join("summary.json"), json!({ "steps": 10, "seconds": 2.0 }).to_string())
            .expect("room");
    }
}

fn near(value: Option<f64>, wanted: f64) -> bool {
    value.is_some_and(|value| (value - wanted).abs() < 1e-9)
}

#[test]
fn known_scores_give_known_verdicts() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path());
    let trials = folder.path().join("trials");
    measure(&plan, &trials, 7);
    let results =
        Results::of(&plan, &Found::of(&trials, folder.path()).expect("no archive")).expect("results");

    // A row a cell and measure; the mean over seven seeds of (500 + 7 seed + 1) / 1000.
    assert_eq!(results.rows.len(), 8);
    let row = results.row(0, 0).expect("a row");
    assert_eq!((row.n, row.images), (7, Some(1000)));
    assert!((row.mean - 0.522).abs() < 1e-12, "{row:?}");
    // The linear head differs by its own seed alone: 2 * 0.01^2 within, and less than nothing is left for nothing else.
    let variance = results.row(0, 1).and_then(|row| row.variance).expect("two seeds of the head");
    assert!((variance.head - 2e-4).abs() < 1e-12, "{variance:?}");
    assert_eq!(results.costs[0].map(|cost| (cost.image_steps, cost.seconds)), Some((10.0 * 4096.0, 2.0)));

    let [more, less, visible] = results.comparisons.as_slice() else { panic!("three comparisons") };
    // Two pairs of cells: 0.002 with every seed, half of 0.003 more with the first.
    assert_eq!(more.pairs, 2);
    assert!(
        (more.differences[0] - 0.0035).abs() < 1e-12 && (more.differences[3] - 0.002).abs() < 1e-12,
        "{more:?}"
    );
    let test = more.test.as_ref().expect("a test");
    // All seven above zero: two of 128 patterns are as extreme. Three tests, of which two have it: times 3, then times 2.
    assert!(near(Some(test.p), 2.0 / 128.0) && near(Some(test.p_holm), 6.0 / 128.0), "{test:?}");
    assert!(near(Some(test.shift), 0.002) && near(Some(test.paired_improvement), 1.0), "{test:?}");
    assert_eq!(
        (more.verdict, less.verdict, visible.verdict),
        (Verdict::Confirmed, Verdict::Contradicted, Verdict::Open)
    );
    // Differences by seed 0..6 of (seed % 3) - 1, and half of 0.003 with the first.
    let mean = (1.5 - 1.0 + 0.0 + 1.0 - 1.0 + 0.0 + 1.0 - 1.0) / 7.0 / 1000.0;
    assert!(near(visible.test.as_ref().map(|test| test.mean), mean), "{visible:?}");

    // Both together: three images of the first seed.
    let interaction = &results.interactions[0];
    assert!(
        (interaction.differences[0] - 0.003).abs() < 1e-12 && interaction.differences[1].abs() < 1e-12,
        "{interaction:?}"
    );
    assert!(near(interaction.p, 1.0), "{interaction:?}");
    // The linear head's mean over its seeds is k-NN's score.
    assert!(near(results.relations[0].rho, 1.0), "{:?}", results.relations);

    for table in tables(&results) {
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()), "{}", table.name);
        assert_eq!(table.csv().lines().count(), table.rows.len() + 1);
    }
}

#[test]
fn a_study_on_its_way_says_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path());
    let trials = folder.path().join("trials");
    let nothing =
        Results::of(&plan, &Found::of(&trials, folder.path()).expect("no archive")).expect("results");
    assert!(nothing.rows.is_empty() && nothing.comparisons.iter().all(|one| one.verdict == Verdict::Missing));
    measure(&plan, &trials, 1);
    let one = Results::of(&plan, &Found::of(&trials, folder.path()).expect("no archive")).expect("results");
    let row = one.row(0, 0).expect("a row");
    assert!(row.n == 1 && row.interval.is_none() && row.deviation.is_none());
    // One seed: both patterns are as extreme; and it is no verdict yet.
    assert_eq!(one.comparisons[0].verdict, Verdict::Unfinished);
    assert!(near(one.comparisons[0].test.as_ref().map(|test| test.p), 1.0));
    // A trial that lost a measurement is left out of its measure alone.
    let cell = &plan.cells[0];
    let key = plan.measurements(cell)[0].key.clone();
    let file =
        TrialFolder::of(&trials, &plan.trials[cell.trials[0]].id).path("scores").join(format!("{key}.json"));
    std::fs::write(file, "{\"half").expect("room");
    let rest = Results::of(&plan, &Found::of(&trials, folder.path()).expect("no archive")).expect("results");
    assert!(rest.row(0, 0).is_none() && rest.row(0, 1).is_some());
    assert_eq!(rest.comparisons[0].verdict, Verdict::Missing);
}

#[test]
fn an_archive_is_as_good_as_the_trials() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path());
    let trials = folder.path().join("trials");
    measure(&plan, &trials, 7);
    let found = Found::of(&trials, folder.path()).expect("no archive");
    let text = lines(&plan, &found).expect("lines");
    let results = |trials: &Path| {
        let found = Found::of(trials, folder.path()).expect("an archive");
        assert_eq!(lines(&plan, &found).expect("lines"), text);
        serde_json::to_value(Results::of(&plan, &found).expect("results")).expect("JSON")
    };
    std::fs::write(folder.path().join("trials.jsonl"), &text).expect("room");
    // Without a single trial's folder the archive says the same, and stays as it is.
    assert_eq!(results(&folder.path().join("elsewhere")), results(&trials));
    // A measurement that a trained trial lost comes back; a trial that was begun is left alone.
    let [first, second] = [0, 1].map(|i| TrialFolder::of(&trials, &plan.trials[i].id));
    std::fs::remove_dir_all(first.path("scores")).expect("removed");
    std::fs::remove_dir_all(second.path("scores")).expect("removed");
    std::fs::remove_file(second.path("run/summary.json")).expect("removed");
    std::fs::write(second.path("run/config.toml"), "").expect("room");
    assert_eq!(restore("t", &text, &trials).expect("restored"), 1);
    assert!(first.path("scores").is_dir() && !second.path("scores").exists());
}

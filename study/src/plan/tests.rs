use super::*;
use crate::file::StudyFile;
use crate::identity;
use crate::planner::Planner;

/// A recipe of few keys, which needs no data.
const RECIPE: &str = "preset = \"paper\"\nname = \"small\"\n[data]\nimage_size = 16\n[encoder]\nsize = \"micro\"\npatch = 4\n[corruption]\ncell = 8\n";

fn images() -> ImagesOfCell {
    ImagesOfCell { training: "images".to_owned(), heads: vec!["of heads".to_owned()] }
}

fn plan(text: &str) -> Result<Plan> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.toml");
    std::fs::write(&path, RECIPE).expect("room");
    let study = StudyFile::parse("s.toml", text)?;
    let mut planner = Planner {
        backend: "burn",
        locate: &|name| Ok(folder.path().join(name)),
        overrides: &[],
        check: &mut |recipe| palimpsest_core::model::Model::build(recipe).map(|_| images()),
    };
    planner.plan(&study, text)
}

const HEAD: &str = "name = \"s\"\nrecipe = \"r.toml\"\nseeds = [0, 1, 2]\n[[head]]\nhead = \"knn\"\n";

fn two_axes() -> Plan {
    plan(&format!(
        "{HEAD}[[grid]]\nname = \"g\"\n[grid.axes]\n\"noise.at\" = [\"block:0\", \"block:2\"]\n\"noise.share\" = [0.5, 1.0]\n"
    ))
    .expect("a plan")
}

fn selector(levels: &[(&str, &str)]) -> crate::file::Selector {
    levels.iter().map(|(axis, level)| ((*axis).to_owned(), toml::Value::from(*level))).collect()
}

#[test]
fn a_product_of_axes_with_every_seed() {
    let plan = two_axes();
    assert_eq!((plan.cells.len(), plan.trials.len()), (4, 12));
    let names: Vec<String> = plan.cells.iter().map(|cell| plan.cell_name(cell)).collect();
    assert_eq!(names[1], "noise.at block:0, noise.share 1");
    for trial in &plan.trials {
        let recipe = plan.recipe(trial).expect("a recipe");
        assert_eq!(recipe.run.seed, trial.seed);
        assert_eq!(identity::trial(&recipe, "images", "burn"), trial.id);
    }
}

#[test]
fn cells_that_are_the_same_setting_share_their_trials() {
    // block:2 and a share of 1 are what the recipe says anyway.
    let plan = plan(&format!(
        "{HEAD}[[grid]]\nname = \"at\"\n[grid.axes]\n\"noise.at\" = [\"block:0\", \"block:2\"]\n[[grid]]\nname = \"share\"\n[grid.axes]\n\"noise.share\" = [0.5, 1.0]\n"
    ))
    .expect("a plan");
    assert_eq!((plan.cells.len(), plan.trials.len()), (4, 9));
    assert_eq!(plan.cells[1].trials, plan.cells[3].trials);
    let at = |grid: &str, key: &str, level: &str| selector(&[("grid", grid), (key, level)]);
    let error = plan
        .pairs(&at("at", "noise.at", "block:2"), &at("share", "noise.share", "1"))
        .expect_err("one setting");
    assert!(error.to_string().contains("the same setting"), "{error}");
}

#[test]
fn pairs_differ_in_nothing_else() {
    let plan = two_axes();
    let pairs = plan.pairs(&selector(&[("noise.at", "block:2")]), &selector(&[("noise.at", "block:0")]));
    assert_eq!(pairs.expect("pairs"), [[2, 0], [3, 1]]);
    let error = plan.pairs(&selector(&[("noise.at", "block:1")]), &selector(&[])).expect_err("no such level");
    assert!(error.to_string().contains("block:"), "{error}");
    let error = plan.pairs(&selector(&[("noise.att", "block:1")]), &selector(&[])).expect_err("no such axis");
    assert!(error.to_string().contains("did you mean `noise.at`"), "{error}");
    let same = selector(&[("noise.at", "block:0"), ("noise.share", "1")]);
    assert!(plan.pairs(&same, &same).expect_err("one cell").to_string().contains("the same setting"));
    let all = selector(&[]);
    assert!(plan.pairs(&same, &all).is_err());
    // Either way round: two cells of one side belong to one of the other.
    let [one, two] =
        [selector(&[("noise.at", "block:0"), ("noise.share", "0.5")]), selector(&[("noise.at", "block:2")])];
    for error in [plan.pairs(&one, &two), plan.pairs(&two, &one)] {
        assert!(error.expect_err("two to one").to_string().contains("2 cells of"));
    }
}

#[test]
fn squares_are_two_by_two() {
    let plan = two_axes();
    let interaction = DeclaredInteraction {
        name: "x".to_owned(),
        first: [selector(&[("noise.at", "block:0")]), selector(&[("noise.at", "block:2")])],
        second: [selector(&[("noise.share", "0.5")]), selector(&[("noise.share", "1")])],
        heads: vec![],
    };
    assert_eq!(plan.squares(&interaction).expect("a square"), [[0, 2, 1, 3]]);
}

#[test]
fn a_bad_cell_is_told_before_anything_runs() {
    let error = plan(&format!("{HEAD}[[grid]]\nname = \"g\"\n[grid.axes]\n\"noise.share\" = [0.5, 1.5]\n"))
        .expect_err("1.5");
    let told = error.to_string();
    assert!(told.contains("noise.share = 1.5") && told.contains("`g`"), "{told}");
    let error = plan(&format!("{HEAD}[[grid]]\n[grid.axes]\n\"noise.shar\" = [0.5]\n")).expect_err("a key");
    assert!(error.to_string().contains("did you mean `share`"), "{error}");
}

#[test]
fn features_make_another_measurement_of_the_same_run() {
    let plan = plan(&format!("{HEAD}[[grid]]\n[grid.axes]\n\"eval.blocks\" = [1, 2]\n")).expect("a plan");
    assert_eq!((plan.cells.len(), plan.trials.len()), (2, 3));
    assert_eq!(plan.measurements_by_trial()[0].len(), 2);
    let error = plan_of_heads().expect_err("keys of a head");
    assert!(error.to_string().contains("[[head]]"), "{error}");
}

fn plan_of_heads() -> Result<Plan> {
    plan(&format!("{HEAD}[[grid]]\n[grid.axes]\n\"head.knn.k\" = [10, 20]\n"))
}

#[test]
fn one_point_zero_is_one() {
    let with = |levels: &str| {
        plan(&format!("{HEAD}[[grid]]\n[grid.axes]\n\"noise.share\" = {levels}\n")).expect("a plan")
    };
    let (list, range) = (with("[0.5, 1]"), with("{ from = 0.5, to = 1.0, count = 2 }"));
    assert_eq!(list.trials, range.trials);
    assert_eq!(list.grids, range.grids);
    let error = plan(&format!("{HEAD}[[grid]]\n[grid.axes]\n\"train.log_every\" = [5, 10]\n"))
        .expect_err("no other setting");
    assert!(error.to_string().contains("is the same setting as, train.log_every = 5"), "{error}");
}

#[test]
fn what_was_declared_keeps_its_date() {
    let text = format!(
        "{HEAD}[[grid]]\n[grid.axes]\n\"noise.share\" = [0.5, 1.0]\n[[compare]]\nname = \"c\"\na = {{ \"noise.share\" = 1.0 }}\nb = {{ \"noise.share\" = 0.5 }}\n"
    );
    let mut first = plan(&text).expect("a plan");
    first.declare(None, "2026-01-01", 0);
    let mut second = plan(&text).expect("a plan");
    second.declare(Some(&first), "2026-02-01", 6);
    assert_eq!((second.declared[0].date.as_str(), second.declared[0].measured), ("2026-01-01", 0));
    // Another figure, or other seeds, are another test, and the one that was declared isn't forgotten.
    for changed in [
        text.replace("head = \"knn\"", "head = \"knn\"\nscore = \"top5\""),
        text.replace("[0, 1, 2]", "[0, 1]"),
    ] {
        let mut third = plan(&changed).expect("a plan");
        third.declare(Some(&second), "2026-03-01", 6);
        assert_eq!((third.declared[0].measured, third.dropped.len()), (6, 1));
        let mut fourth = plan(&changed).expect("a plan");
        fourth.declare(Some(&third), "2026-04-01", 6);
        assert_eq!((fourth.declared[0].date.as_str(), fourth.dropped.len()), ("2026-03-01", 1));
    }
}

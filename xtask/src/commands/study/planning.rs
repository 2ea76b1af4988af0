//! From a study's file to the plan in its folder.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};
use palimpsest_study::file::StudyFile;
use palimpsest_study::plan::Plan;
use palimpsest_study::planner::Planner;

use super::check::Check;
use super::trials_of;
use crate::cli::{RunStudy, is_override};
use crate::{output, recipes};

/// A planned study and where it lies.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// The plan that the folder held before.
    pub(super) before: Option<Plan>,
    pub(super) folder: PathBuf,
    pub(super) trials: PathBuf,
    /// The study's file, as it was read.
    pub(super) text: String,
}

/// Plans the study of a command line; nothing is written.
///
/// # Errors
/// The first mistake in the file, or the first cell that can't run.
pub(super) fn plan(args: &RunStudy) -> Result<Planned> {
    let path = &args.study;
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, &e).help("give a study's file"))?;
    let study = StudyFile::parse(&path.display().to_string(), &text)?;
    if let Some(bad) = args.set.iter().find(|change| !is_override(change)) {
        return Err(Error::user(format!("`{bad}` is no override"))
            .at("--set")
            .help("write KEY=VALUE, as train.epochs=2"));
    }
    let folder = args.out.clone().unwrap_or_else(|| Path::new("runs/studies").join(&study.name));
    let heads = study.head.clone();
    let mut check = Check::new(&heads);
    // A recipe beside the study comes before one of the same name elsewhere.
    let beside = |name: &str| path.parent().map(|folder| folder.join(name)).filter(|file| file.is_file());
    let locate = |name: &str| match beside(name) {
        Some(file) => Ok(file),
        None => recipes::locate(Path::new(name)),
    };
    let mut planner = Planner {
        backend: &args.on.backend,
        overrides: &args.set,
        locate: &locate,
        check: &mut |recipe| check.recipe(recipe),
    };
    let mut plan = planner.plan(&study, &text).map_err(|e| by_set(e).at(path.display()))?;
    let before = match folder.join(palimpsest_study::plan::FILE).exists() {
        true => Plan::read(&folder).map_err(|e| {
            output::note(&format!(
                "note: {}{}: it is planned anew",
                e.location().map_or_else(String::new, |at| format!("{at}: ")),
                e.message()
            ));
        }),
        false => Err(()),
    };
    let before = before.ok();
    let told = |overrides: &[String]| match overrides {
        [] => "no --set".to_owned(),
        several => several.iter().map(|change| format!("--set {change}")).collect::<Vec<_>>().join(" "),
    };
    if let Some(before) = before.as_ref().filter(|before| before.overrides != plan.overrides) {
        return Err(Error::user(format!(
            "the study there was planned with {}, not with {}",
            told(&before.overrides),
            told(&plan.overrides)
        ))
        .at(folder.display())
        .help("give the same, or another --out"));
    }
    plan.trials_folder = match &args.trials {
        Some(given) => std::path::absolute(given).ok(),
        None => before.as_ref().and_then(|before| before.trials_folder.clone()),
    };
    let trials = trials_of(&folder, args.trials.as_ref(), Some(&plan));
    Ok(Planned { plan, before, folder, trials, text })
}

/// Data that aren't where the study's file says are given on the command line.
fn by_set(error: Error) -> Error {
    if !error.location().is_some_and(|place| place.contains("`data.path`")) {
        return error;
    }
    let place = error.location().unwrap_or_default().to_owned();
    Error::user(error.message()).at(place).help("say where the images are: --set data.path=FOLDER")
}

//! From a study's file to the plan in its folder.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};
use palimpsest_study::file::StudyFile;
use palimpsest_study::plan::{Plan, Planner};

use super::check::Check;
use super::trials_of;
use crate::cli::RunStudy;
use crate::recipes;

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
    let mut study = StudyFile::parse(&path.display().to_string(), &text)?;
    for change in &args.set {
        let Some((key, value)) = change.split_once('=') else {
            return Err(Error::user(format!("`{change}` is no override"))
                .at("--set")
                .help("write KEY=VALUE"));
        };
        let value = format!("value = {value}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut table| table.remove("value"));
        let value = value
            .unwrap_or_else(|| toml::Value::String(change.split_once('=').map_or("", |(_, v)| v).to_owned()));
        study.set.insert(key.trim().to_owned(), value);
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
    let mut planner =
        Planner { backend: &args.on.backend, locate: &locate, check: &mut |recipe| check.recipe(recipe) };
    let plan = planner.plan(&study, &text).map_err(|e| e.at(path.display()))?;
    let trials = trials_of(&folder, args.trials.as_ref());
    let before =
        if folder.join(palimpsest_study::plan::FILE).exists() { Some(Plan::read(&folder)?) } else { None };
    Ok(Planned { plan, before, folder, trials, text })
}

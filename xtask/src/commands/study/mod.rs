//! `study`: many runs from one file. One file a subject.

mod check;
mod driver;
mod estimate;
mod list;
mod measure;
mod planning;
mod progress;
mod report;
mod restore;
mod run;
mod trial_work;
mod worker;

use std::path::{Path, PathBuf};

use palimpsest_core::Result;

use palimpsest_study::plan::Plan;

use crate::cli::StudyCommand;

pub(crate) fn run(command: &StudyCommand) -> Result<()> {
    match command {
        StudyCommand::Run(args) => run::run(args),
        StudyCommand::List(args) => list::run(args),
        StudyCommand::Report(args) => report::run(args),
        StudyCommand::Restore(args) => restore::run(args),
    }
}

/// Where a study's trials lie: as the user says now or said when it was planned, or else beside its folder, where studies share
/// them.
fn trials_of(study: &Path, given: Option<&PathBuf>, plan: Option<&Plan>) -> PathBuf {
    let planned = || plan.and_then(|plan| plan.trials_folder.clone()).filter(|folder| folder.is_dir());
    let beside = || match study.parent() {
        // The working folder itself, or a name with `..` in it.
        Some(parent) if study.file_name().is_some() => parent.join("trials"),
        _ => study.join("..").join("trials"),
    };
    given.cloned().or_else(planned).unwrap_or_else(beside)
}

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
mod worker;

use std::path::{Path, PathBuf};

use palimpsest_core::Result;

use crate::cli::StudyCommand;

pub(crate) fn run(command: &StudyCommand) -> Result<()> {
    match command {
        StudyCommand::Run(args) => run::run(args),
        StudyCommand::List(args) => list::run(args),
        StudyCommand::Report(args) => report::run(args),
        StudyCommand::Restore(args) => restore::run(args),
    }
}

/// Where a study's trials lie: as the user says, or beside its folder, where studies share them.
fn trials_of(study: &Path, given: Option<&PathBuf>) -> PathBuf {
    let beside = || study.parent().unwrap_or(Path::new("")).join("trials");
    given.cloned().unwrap_or_else(beside)
}

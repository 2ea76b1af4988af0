//! Processes that differ from a check's in what a plan must not depend on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use palimpsest_core::{Error, Result};
use palimpsest_validator::{Answered, Elsewhere, Pretence, Subject, answers, confine};

use super::child;
use crate::cli::PlansWorker;

/// A process of a few plans that takes longer hangs.
const STUCK: Duration = Duration::from_secs(20);

/// What such a process answers.
pub(super) fn ask(library: &Path, other: &Elsewhere) -> Result<Vec<Answered>> {
    let scratch = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
    let file = scratch.path().join("answers");
    let Pretence { seconds, variables } = other.pretence;
    let mut command = child::driver()?;
    command.args(["plugin", "plans-worker"]).arg(library).arg(&file);
    command.arg(format!("--seconds={seconds}"));
    if variables {
        command.arg("--variables");
    }
    command.envs(other.variables.iter().copied());
    if other.moved {
        command.current_dir(scratch.path());
    }
    let end = child::wait(command, |spent| spent > STUCK)?;
    let answer: Option<Result<Vec<Answered>, String>> = child::answer(&file);
    let location = || format!("the library in a process with {}", other.what);
    match answer {
        Some(Ok(answers)) => Ok(answers),
        Some(Err(why)) => Err(Error::failure(why).at(location())),
        None => Err(Error::failure(end.told()).at(location())),
    }
}

/// Such a process.
pub(super) fn run_worker(args: &PlansWorker) -> Result<()> {
    confine();
    let none = || Err(Error::failure("plans need no backend"));
    let pretence = Pretence { seconds: args.seconds, variables: args.variables };
    let answer = answers(&Subject::new(&args.library, &none), &pretence).map_err(|e| e.to_string());
    let line = serde_json::to_string(&answer).map_err(|e| Error::failure(e.to_string()))?;
    fs::write(&args.answer, line + "\n").map_err(|e| Error::io(&args.answer, &e))?;
    // Nothing of the library's runs any more, its destructors included.
    std::process::exit(0);
}

//! `collective`: the engines between processes: which there are, building them, and what they must hold.

mod answer;
mod check;
mod laws;
mod numbers;
mod processes;
mod worker;

use palimpsest_core::Result;
use serde_json::json;

use crate::cli::CollectiveCommand;
use crate::{collectives, output};

pub(crate) use worker::run as run_worker;

pub(crate) fn run(command: &CollectiveCommand) -> Result<()> {
    match command {
        CollectiveCommand::List { result } => {
            list(result.json);
            Ok(())
        }
        CollectiveCommand::Build { name } => {
            output::line(&collectives::build(name)?.display().to_string());
            Ok(())
        }
        CollectiveCommand::Check(args) => check::run(args),
    }
}

/// What each known engine is here, or what it needs. Nothing is built for it.
fn list(as_json: bool) {
    let mut rows = vec![];
    let mut answers = vec![];
    for known in &collectives::KNOWN {
        let built = collectives::is_built(known);
        let (version, told) = match built.then(|| collectives::load(known.name)) {
            Some(Ok(library)) => (Some(library.info.version), library.info.description),
            Some(Err(error)) => (None, error.to_string()),
            None => (None, format!("{}; needs {}", known.summary, known.needs)),
        };
        let state = match (built, &version) {
            (false, _) => "not built",
            (true, None) => "not usable",
            (true, Some(version)) => version,
        };
        rows.push(vec![known.name.to_owned(), state.to_owned(), told.clone()]);
        answers.push(json!({
            "name": known.name, "summary": known.summary, "needs": known.needs, "built": built,
            "version": version, "told": told,
        }));
    }
    match as_json {
        true => output::json(&answers),
        false => output::table(&rows),
    }
}

//! `run`: what became of runs. One file a subcommand.

mod best;
mod diff;
mod list;
mod prune;
mod replay;
mod show;
mod tag;

use palimpsest_core::Result;

use crate::cli::RunCommand;

pub(crate) fn run(command: &RunCommand) -> Result<()> {
    match command {
        RunCommand::List(args) => list::run(args),
        RunCommand::Show { run, result } => show::run(run, result.json),
        RunCommand::Diff { runs, result } => diff::run(runs, result.json),
        RunCommand::Best(args) => best::run(args),
        RunCommand::Tag { words, result } => tag::run(words, result.json),
        RunCommand::Prune(args) => prune::run(args),
        RunCommand::Replay(args) => replay::run(args),
    }
}

//! `run`: what became of runs. One file a subcommand.

mod list;
mod replay;
mod show;

use palimpsest_core::Result;

use crate::cli::RunCommand;

pub(crate) fn run(command: &RunCommand) -> Result<()> {
    match command {
        RunCommand::List { folder, result } => list::run(folder, result.json),
        RunCommand::Show { run, result } => show::run(run, result.json),
        RunCommand::Replay(args) => replay::run(args),
    }
}

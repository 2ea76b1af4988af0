//! `part`: what recipes are made of. One file a subcommand.

mod list;
mod show;

use palimpsest_core::Result;

use crate::cli::PartCommand;

pub(crate) fn run(command: &PartCommand) -> Result<()> {
    match command {
        PartCommand::List { kind: Some(kind), result } => list::of_kind(*kind, result.json),
        PartCommand::List { kind: None, result } => list::all(result.json),
        PartCommand::Show { kind, name, result } => show::run(*kind, name, result.json)?,
    }
    Ok(())
}

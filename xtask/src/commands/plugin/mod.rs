//! `plugin`: corruption strategies as dynamic libraries. One file a subcommand.

pub(crate) mod build;
mod child;
mod elsewhere;
mod fuzz;
mod list;
mod locate;
mod new;
mod reproduce;
mod sdk;
mod show;
mod validate;

use palimpsest_core::Result;

use crate::cli::PluginCommand;

pub(crate) fn run(command: PluginCommand) -> Result<()> {
    match command {
        PluginCommand::New(args) => new::run(&args),
        PluginCommand::Build { folder, result } => build::run(&folder, result.json),
        PluginCommand::List { result } => list::run(result.json),
        PluginCommand::Show { plugin, result } => show::run(&plugin, result.json),
        PluginCommand::Validate(args) => validate::run(&args),
        PluginCommand::CheckWorker(args) => validate::run_worker(&args),
        PluginCommand::PlansWorker(args) => elsewhere::run_worker(&args),
        PluginCommand::Fuzz(args) => fuzz::run(&args),
        PluginCommand::FuzzWorker(args) => fuzz::run_worker(&args),
        PluginCommand::Reproduce { plugin, seed } => reproduce::run(&plugin, seed),
    }
}

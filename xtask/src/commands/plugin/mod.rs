//! `plugin`: corruption strategies as dynamic libraries. One file a subcommand.

pub(crate) mod build;
mod child;
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
        PluginCommand::Build { folder, json } => build::run(&folder, json),
        PluginCommand::List { json } => list::run(json),
        PluginCommand::Show { plugin, json } => show::run(&plugin, json),
        PluginCommand::Validate(args) => validate::run(&args),
        PluginCommand::CheckWorker(args) => validate::run_worker(&args),
        PluginCommand::Fuzz(args) => fuzz::run(&args),
        PluginCommand::FuzzWorker(args) => fuzz::run_worker(&args),
        PluginCommand::Reproduce { plugin, seed } => reproduce::run(&plugin, seed),
    }
}

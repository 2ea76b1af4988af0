//! The driver: `cargo xtask …`. It puts the parts together that a recipe names, and shows what they do.
//!
//! It is a library so that a program with parts of its own can be the driver too: link them, and call
//! [`main`]. `docs/heads.md` does so with a head.

mod backends;
mod cli;
mod collectives;
mod commands;
mod comparison;
mod corruption_check;
mod counting;
mod energy;
mod environment;
mod finite_check;
mod fit_memory;
mod flops;
mod frozen;
mod gpu;
mod interrupt;
mod live;
mod meta_backend;
mod observer;
mod output;
mod parent;
mod plugins;
mod priority;
mod progress;
mod ranks;
mod recipes;
mod report;
mod room;
mod runs;
mod sample_log;
mod sample_sheet;
mod session;
mod synthetic;
mod tensorboard;
mod threads;
mod timed;

use std::process::ExitCode;

/// Runs the command that this process's arguments ask for; what registered itself in the program takes part.
pub fn main() -> ExitCode {
    parent::heed();
    palimpsest_core::plugin::report_aborts();
    palimpsest_datasets::link();
    palimpsest_heads::link();
    let cli = cli::Cli::of_process();
    // `plugin …` looks for itself, so that it can tell of what is broken.
    let installed = match cli.command {
        cli::Command::Plugin(_) => plugins::name(cli.plugins),
        _ => plugins::install(cli.plugins),
    };
    match installed.and_then(|()| commands::dispatch(cli.command)).and_then(|()| output::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(interrupt::exit_status(&error))
        }
    }
}

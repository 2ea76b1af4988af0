//! The driver: `cargo xtask …`. It puts the parts together that a recipe names, and shows what they do.

mod backends;
mod cli;
mod commands;
mod energy;
mod environment;
mod flops;
mod gpu;
mod observer;
mod output;
mod pictures;
mod progress;
mod report;
mod session;
mod shapes;
mod synthetic;
mod tensorboard;
mod timed;
mod watched;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    palimpsest_core::plugin::report_aborts();
    palimpsest_heads::link();
    match commands::dispatch(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

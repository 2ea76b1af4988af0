//! One file a command.

mod analyse;
mod backend;
mod bench;
mod check;
pub(crate) mod compare;
mod conform;
mod data;
mod dist;
mod eval;
mod export;
pub(crate) mod fetch;
mod list;
mod plugin;
mod pretrain;
mod replay;
mod report;
mod resume;
mod show;

use palimpsest_core::Result;

use crate::cli::Command;

/// Runs the command that was asked for.
pub(crate) fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Pretrain(args) => pretrain::run(args),
        Command::Resume(args) => resume::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Analyse(args) => analyse::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Compare(args) => compare::run(args),
        Command::CompareWorker(args) => compare::run_worker(&args),
        Command::Conform(args) => conform::run(&args),
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Data(args) => data::run(args),
        Command::Backend(args) => backend::run(&args),
        Command::Plugin(args) => plugin::run(args),
        Command::Dist(args) => dist::run(&args),
        Command::Check => check::check(),
        Command::Test => check::test(),
    }
}

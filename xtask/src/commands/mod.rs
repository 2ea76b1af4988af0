//! One file a command.

mod analyse;
mod backend;
mod begun;
mod bench;
mod check;
mod collective;
pub(crate) mod compare;
mod completions;
mod data;
mod dist;
mod eval;
mod export;
pub(crate) mod fetch;
mod man;
mod part;
mod plugin;
mod pretrain;
mod recipe;
mod report;
mod resume;
mod run;
mod study;

use palimpsest_core::Result;

use crate::cli::Command;
use crate::output;

/// Runs the command that was asked for.
pub(crate) fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Pretrain(args) => pretrain::run(args),
        Command::Resume(args) => resume::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Analyse(args) => analyse::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Compare(args) => compare::run(args),
        Command::CompareWorker(args) => compare::run_worker(&args),
        Command::Run(args) => run::run(&args),
        Command::Study(args) => study::run(&args),
        Command::Recipe(args) => recipe::run(&args),
        Command::Part(args) => part::run(&args),
        Command::Data(args) => data::run(args),
        Command::Backend(args) => backend::run(&args),
        Command::Collective(args) => collective::run(&args),
        Command::CollectiveWorker(args) => collective::run_worker(&args),
        Command::Plugin(args) => plugin::run(args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man(args) => man::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Check => check::check(),
        Command::Test => check::test(),
        Command::Former(former) => {
            let (old, new, command) = former.renewed();
            output::renamed(old, new);
            dispatch(command)
        }
    }
}

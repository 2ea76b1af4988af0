//! `collective …` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use palimpsest_core::{Error, Result};

use super::JsonArg;

#[derive(Subcommand)]
pub(crate) enum CollectiveCommand {
    /// The engines that are known by name, what they need, and whether they can be used here
    List {
        #[command(flatten)]
        result: JsonArg,
    },
    /// Build the library of an engine, with this machine's compiler
    #[command(
        after_help = "Examples:\n  cargo xtask collective build mpi      with the mpicc of the loaded module\n  PALIMPSEST_COLLECTIVES=~/engines cargo xtask collective build gloo"
    )]
    Build {
        /// The engine: gloo, mpi or nccl
        name: String,
    },
    /// Hold an engine to what training asks of it, between processes of this machine
    #[command(
        after_help = "Examples:\n  cargo xtask collective check gloo\n  cargo xtask collective check mpi --ranks 4 --json\n  cargo xtask collective check path/to/libmine.so"
    )]
    Check(CheckCollective),
}

#[derive(Args)]
pub(crate) struct CheckCollective {
    /// An engine or the path of a library
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) name: String,
    /// How many processes are started
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=256))]
    pub(crate) ranks: u16,
    /// Seconds that an operation may take
    #[arg(long, default_value = "20", value_parser = seconds)]
    pub(crate) limit: f64,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

/// What a process of a check does.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CollectiveTask {
    /// Everything that is checked, and the times.
    Laws,
    /// The sums again; then rank 1 leaves with words.
    Leave,
    /// Sums until the last rank is killed.
    Killed,
}

#[derive(Args)]
pub(crate) struct CollectiveWorker {
    /// An engine or the path of a library
    pub(crate) name: String,
    #[arg(long, value_enum)]
    pub(crate) task: CollectiveTask,
    #[arg(long)]
    pub(crate) ranks: Option<usize>,
    #[arg(long)]
    pub(crate) rank: Option<usize>,
    #[arg(long)]
    pub(crate) meet: Option<String>,
    #[arg(long, default_value = "")]
    pub(crate) interface: String,
    #[arg(long, default_value = "20", value_parser = seconds)]
    pub(crate) limit: f64,
    /// The folder for answers
    #[arg(long)]
    pub(crate) out: PathBuf,
}

/// A number of seconds above zero.
fn seconds(text: &str) -> Result<f64> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0 && seconds <= 86_400.0);
    seconds.ok_or_else(|| Error::user(format!("`{text}` is no number of seconds between 0 and 86400")))
}

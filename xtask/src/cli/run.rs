//! `run …` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{DeviceArgs, JsonArg};

#[derive(Subcommand)]
pub(crate) enum RunCommand {
    /// The runs in a folder: steps, loss, whether they are finished, size on disk
    #[command(after_help = "Examples:\n  cargo xtask run list\n  cargo xtask run list runs/sweep --json")]
    List {
        /// The folder; runs in folders below it are found too
        #[arg(default_value = "runs", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        #[command(flatten)]
        result: JsonArg,
    },
    /// What a run is and where it stands: recipe, machine, loss, scores, checkpoints
    #[command(after_help = "Example:\n  cargo xtask run show runs/mae-micro-1")]
    Show {
        /// The run's folder
        #[arg(value_hint = ValueHint::DirPath)]
        run: PathBuf,
        #[command(flatten)]
        result: JsonArg,
    },
    /// Run a failed step again, and name the first operation with a result that is not finite
    #[command(after_help = "Example:\n  cargo xtask run replay runs/paper-micro-1")]
    Replay(Replay),
}

#[derive(Args)]
pub(crate) struct Replay {
    /// The run's folder
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// The failed step; by default the newest
    #[arg(long)]
    pub(crate) step: Option<u64>,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

//! The command lines of `bench`, `compare` and `report`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueHint};
use palimpsest_core::Device;

use super::{DeviceArgs, JsonArg, RanksArgs, RecipeArgs};

#[derive(Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    /// Steps to time, after three to warm up
    #[arg(long, default_value_t = 20)]
    pub(crate) steps: usize,
    /// Time the loader alone
    #[arg(long, conflicts_with = "synthetic")]
    pub(crate) data_only: bool,
    /// Made-up images in place of the recipe's data
    #[arg(long)]
    pub(crate) synthetic: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args, Clone)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// Backends or paths of libraries, as burn,dfdx; ratios are to the first
    #[arg(long, alias = "backend", value_delimiter = ',', default_value = "burn")]
    pub(crate) backends: Vec<String>,
    /// cpu, cuda:0 or wgpu:0
    #[arg(long, default_value = "cpu")]
    pub(crate) device: Device,
    /// Optimiser steps of each
    #[arg(long, default_value_t = 100)]
    pub(crate) steps: usize,
    /// Steps before it is the next one's turn
    #[arg(long = "turn", default_value_t = 5)]
    pub(crate) round: usize,
    /// First steps that are not timed
    #[arg(long, default_value_t = 10)]
    pub(crate) warm_up: usize,
    /// Add the same recipe in PyTorch, eager and torch.compile, or one of them; with --ranks, DistributedDataParallel too
    #[arg(
        long,
        value_name = "MODE",
        value_delimiter = ',',
        value_parser = ["eager", "compile"],
        num_args = 0..=1,
        require_equals = true,
        default_missing_values = ["eager", "compile"]
    )]
    pub(crate) pytorch: Option<Vec<String>>,
    /// Add each backend as so many processes that train together, which share the cores and the batch
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(2..=1024))]
    pub(crate) ranks: Option<usize>,
    /// The engine between them: gloo, nccl, or the path of a library
    #[arg(long, value_name = "ENGINE", value_hint = ValueHint::AnyPath, requires = "ranks", default_value = "gloo")]
    pub(crate) collective: String,
    /// The folder of the results; by default results/compare-NAME
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct CompareWorker {
    /// The resolved recipe
    pub(crate) recipe: PathBuf,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    #[command(flatten)]
    pub(crate) ranks: RanksArgs,
}

#[derive(Args)]
pub(crate) struct Report {
    /// Run folders
    #[arg(required = true, value_hint = ValueHint::DirPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// The file to write; by default report.html in the run's folder
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Serve the page to a browser instead, and follow runs that are trained; a folder of runs may be given too
    #[arg(long, conflicts_with = "out")]
    pub(crate) serve: bool,
    /// The port of --serve; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 7777, requires = "serve")]
    pub(crate) port: u16,
    /// The address of --serve. Another one than this machine's own lets everybody who reaches it read the runs
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", requires = "serve")]
    pub(crate) host: String,
}

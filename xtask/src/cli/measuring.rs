//! The command lines of `bench`, `compare` and `report`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use palimpsest_core::Device;

use super::{DeviceArgs, JsonArg, RecipeArgs};

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
    /// Add the same recipe in PyTorch, eager and torch.compile
    #[arg(long)]
    pub(crate) pytorch: bool,
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
}

#[derive(Args)]
pub(crate) struct Report {
    /// Run folders
    #[arg(required = true, value_hint = ValueHint::DirPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// The file to write; by default report.html in the run's folder
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
}

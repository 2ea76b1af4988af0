//! The command lines of `pretrain` and `resume`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::data::bytes;
use super::{DeviceArgs, JsonArg, RanksArgs, RecipeArgs};

#[derive(Args)]
pub(crate) struct Pretrain {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    /// The run's folder; by default runs/NAME-N
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Go on with the run in --out where one is, else begin it; a run of another recipe is refused
    #[arg(long, requires = "out", conflicts_with = "dry_run")]
    pub(crate) resume: bool,
    /// Optimiser steps, in place of the recipe's epochs
    #[arg(long)]
    pub(crate) steps: Option<usize>,
    /// Check the recipe and the data, tell what would run, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --dry-run: try steps of few images, and tell the keys with which a step takes at most so much memory of the device,
    /// as 24GB
    #[arg(long, value_name = "BYTES", value_parser = bytes, requires = "dry_run")]
    pub(crate) fit_memory: Option<u64>,
    #[command(flatten)]
    pub(crate) result: JsonArg,
    #[command(flatten)]
    pub(crate) ranks: RanksArgs,
}

#[derive(Args)]
pub(crate) struct Resume {
    /// The run's folder
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    /// Go on although the training images are others than the run began with
    #[arg(long)]
    pub(crate) accept_data: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
    #[command(flatten)]
    pub(crate) ranks: RanksArgs,
    /// Overrides of keys that leave the weights alone, as data.workers=4, and of optimizer.lr and optimizer.clip
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

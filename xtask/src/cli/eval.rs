//! The command line of `eval`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{DeviceArgs, JsonArg, RanksArgs};

#[derive(Args)]
pub(crate) struct Eval {
    /// The run's folder
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Heads, as knn,linear (see cargo xtask part list heads); the recipe's by default
    #[arg(long, visible_alias = "heads", value_delimiter = ',')]
    pub(crate) head: Vec<String>,
    /// Other data sets than the run's, as cub,cars
    #[arg(long, value_delimiter = ',')]
    pub(crate) data: Vec<String>,
    /// The folder or file of each; may be given several times
    #[arg(long, value_hint = ValueHint::AnyPath)]
    pub(crate) data_path: Vec<PathBuf>,
    /// Training images of each class at most, drawn by the seed; 0 takes all
    #[arg(long, default_value_t = 0)]
    pub(crate) shots: usize,
    /// Training images at most, drawn by the seed, spread evenly over the classes; the recipe's eval.train_images by default
    #[arg(long)]
    pub(crate) train_images: Option<usize>,
    /// Test images at most, drawn likewise; the recipe's eval.test_images by default
    #[arg(long)]
    pub(crate) test_images: Option<usize>,
    /// Seeds, as 0,1,2: mean and spread are told; the run's by default
    #[arg(long, visible_alias = "seed", value_delimiter = ',')]
    pub(crate) seeds: Vec<u64>,
    /// Another checkpoint than the newest
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The number of blocks that frozen features are taken after; the recipe's by default
    #[arg(long)]
    pub(crate) blocks: Option<usize>,
    /// Frozen features: mean, class or grid:N; the recipe's by default
    #[arg(long)]
    pub(crate) features: Option<String>,
    /// Leave out the random initialisation
    #[arg(long)]
    pub(crate) no_baseline: bool,
    /// Where trained heads are saved, with images; by default eval/ in the run's folder. Scores and features of
    /// heads on frozen features are saved where it is given
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Check heads and data, try two steps where the encoder is trained, tell what that would take, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    #[command(flatten)]
    pub(crate) result: JsonArg,
    #[command(flatten)]
    pub(crate) ranks: RanksArgs,
    /// Keys of the head and of its training (see cargo xtask part show head finetune)
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

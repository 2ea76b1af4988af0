//! `data …` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{JsonArg, RecipeArgs};

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// The readers and the layout that each expects, and the public data sets that `data fetch` knows
    List {
        #[command(flatten)]
        result: JsonArg,
    },
    /// Fetch a public data set: resumed where it stopped, verified, then unpacked
    #[command(
        after_help = "Examples:\n  cargo xtask data fetch cifar10 --dry-run\n  cargo xtask data fetch imagenette-160 --out data/imagenette"
    )]
    Fetch(Fetch),
    /// A contact sheet of what the loader and the corruption really produce
    #[command(
        after_help = "Examples:\n  cargo xtask data show recipes/paper-micro.toml --out sheet.png\n  cargo xtask data show recipes/can-micro.toml --step 500"
    )]
    Show(ShowData),
}

#[derive(Args)]
pub(crate) struct ShowData {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// The image to write
    #[arg(long, default_value = "contact-sheet.png", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Images
    #[arg(long, default_value_t = 8)]
    pub(crate) images: usize,
    /// The corruption after so many steps of the run, which a schedule may change; the images are the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) step: u64,
}

#[derive(Args)]
pub(crate) struct Fetch {
    /// The data set (see cargo xtask data list)
    pub(crate) name: String,
    /// The folder for it; by default palimpsest/datasets/NAME in the user's data folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// A host that has the same files: each is looked for at URL/FILE first
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,
    /// Keep the archives once they are unpacked
    #[arg(long)]
    pub(crate) keep: bool,
    /// Tell what would be fetched, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

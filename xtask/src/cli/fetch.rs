//! The command line of `data fetch`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct Fetch {
    /// The data set (see cargo xtask data list)
    pub(crate) name: String,
    /// The folder for it; by default palimpsest/datasets/NAME in the user's data folder
    #[arg(long)]
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
    /// The result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

//! The command line of `analyse`.

use std::path::PathBuf;

use clap::Args;

use super::{DeviceArgs, JsonArg};

#[derive(Args)]
pub(crate) struct Analyse {
    /// Run folders
    #[arg(required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The folder to write analysis.html, analysis.json and the CSV files into; by default RUN/analysis
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Test images to look at
    #[arg(long, default_value_t = 512)]
    pub(crate) images: usize,
    /// Another data set than the runs'
    #[arg(long)]
    pub(crate) data: Option<String>,
    /// Its folder or file
    #[arg(long)]
    pub(crate) data_path: Option<PathBuf>,
    /// Leave out the random initialisation
    #[arg(long)]
    pub(crate) no_baseline: bool,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

//! The command lines of `completions`, `man` and `dist`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::JsonArg;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Args)]
pub(crate) struct Man {
    /// Write a page for each command into this folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Dist {
    /// The backends to pack
    #[arg(long, alias = "backend", value_delimiter = ',', default_value = "burn,dfdx")]
    pub(crate) backends: Vec<String>,
    /// The engines between processes to pack; gloo where tch is packed by default. The sources of all are inside the program,
    /// which builds mpi and nccl where it runs
    #[arg(long, value_delimiter = ',')]
    pub(crate) collectives: Option<Vec<String>>,
    /// With CUDA; what it takes to compile is fetched, and no GPU is needed
    #[arg(long)]
    pub(crate) cuda: bool,
    /// With wgpu, for GPUs that are not NVIDIA's: burn alone has it
    #[arg(long, conflicts_with = "cuda")]
    pub(crate) wgpu: bool,
    /// The archive to write
    #[arg(long, default_value = "palimpsest.tar.gz", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

//! `backend …` on the command line.

use clap::{Args, Subcommand, ValueEnum};
use palimpsest_core::Device;

use super::JsonArg;

#[derive(Subcommand)]
pub(crate) enum BackendCommand {
    /// The backends that are known by name
    List {
        #[command(flatten)]
        result: JsonArg,
    },
    /// Version, devices, types and fused operations of a backend on this machine
    #[command(
        after_help = "Examples:\n  cargo xtask backend show\n  cargo xtask backend show burn\n  cargo xtask backend show path/to/libmine.so --json\n\nPALIMPSEST_CPU=scalar, avx2, avx512 or amx has burn and dfdx take no more of the processor's instructions\nthan that, in every command."
    )]
    Show(ShowBackend),
    /// Fetch what a backend needs and build it, or fetch what CUDA variants are compiled with;
    /// pinned and checked by hash
    #[command(
        after_help = "Examples:\n  cargo xtask backend add tch       libtorch for the processor, 540 MB\n  cargo xtask backend add cuda      NVIDIA's compiler, 105 MB; no GPU is needed"
    )]
    Add {
        /// The backend, or cuda
        name: String,
    },
    /// Build the library of a backend
    #[command(
        after_help = "Examples:\n  cargo xtask backend build burn\n  cargo xtask backend build burn --wgpu     any GPU with a driver for Vulkan\n  cargo xtask backend build dfdx --cuda     after: cargo xtask backend add cuda"
    )]
    Build {
        /// The backend
        name: String,
        /// With CUDA; no GPU is needed
        #[arg(long)]
        cuda: bool,
        /// With wgpu (burn alone); no GPU is needed
        #[arg(long, conflicts_with = "cuda")]
        wgpu: bool,
    },
    /// Try every operation of backends against references: values, gradients, speed
    #[command(
        after_help = "Examples:\n  cargo xtask backend validate\n  cargo xtask backend validate burn path/to/libmine.so --mode grad\n  cargo xtask backend validate --op layer-norm --json"
    )]
    Validate(ValidateBackend),
    /// Now: backend show
    #[command(hide = true)]
    Check(ShowBackend),
}

#[derive(Args)]
pub(crate) struct ShowBackend {
    /// A backend or the path of a library; all that are known by default
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ValidateMode {
    /// Values against references in f64
    Test,
    /// Gradients against central differences
    Grad,
    /// Times at the sizes of ViT-Ti/16
    Perf,
    /// What runs natively, taken apart, or not at all
    Support,
}

#[derive(Args)]
pub(crate) struct ValidateBackend {
    /// Backends or paths of libraries; burn by default
    #[arg(value_name = "BACKEND")]
    pub(crate) names: Vec<String>,
    /// The same as a list
    #[arg(long, alias = "backend", value_delimiter = ',', hide = true)]
    pub(crate) backends: Vec<String>,
    /// cpu, cuda:0 or wgpu:0
    #[arg(long, default_value = "cpu")]
    pub(crate) device: Device,
    /// What is tried
    #[arg(long, value_enum, default_value_t = ValidateMode::Test)]
    pub(crate) mode: ValidateMode,
    /// One operation alone
    #[arg(long)]
    pub(crate) op: Option<String>,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

impl ValidateBackend {
    /// The backends that are asked for.
    pub(crate) fn subjects(&self) -> Vec<&str> {
        let given: Vec<&str> = self.names.iter().chain(&self.backends).map(String::as_str).collect();
        if given.is_empty() { vec!["burn"] } else { given }
    }
}

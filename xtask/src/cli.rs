//! The command line.

mod analyse;
mod export;
mod fetch;
mod plugin;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use palimpsest_core::Device;

pub(crate) use analyse::Analyse;
pub(crate) use export::Export;
pub(crate) use fetch::Fetch;
pub(crate) use plugin::{
    CheckWorker, FuzzPlugin, FuzzWorker, Language, NewPlugin, PluginCommand, Tier, Validate,
};

/// Pre-trains vision encoders by corruption and restoration, and measures what they learnt.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    after_help = "Start here:\n  cargo xtask pretrain                 the quick-start on the embedded data\n  cargo xtask list recipes\n  cargo xtask show corruption cell"
)]
pub(crate) struct Cli {
    /// A plug-in: its library, its manifest, its folder, or one of manifests; may be given several times
    // Not called `plugin`, which is an argument of some commands: a global argument is known to each of them.
    #[arg(long = "plugin", global = true, value_name = "PATH")]
    pub(crate) plugins: Vec<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Pre-train an encoder; without a recipe, the quick-start on the embedded data
    #[command(
        after_help = "Examples:\n  cargo xtask pretrain\n  cargo xtask pretrain recipes/mae-micro.toml --out runs/mae seed=1\n  cargo xtask pretrain recipes/paper-vit-b-224.toml data.path=photos --dry-run"
    )]
    Pretrain(Pretrain),
    /// Go on with a run from its newest checkpoint
    #[command(after_help = "Example:\n  cargo xtask resume runs/mae")]
    Resume(Resume),
    /// Do a step again that was not finite, and name the first operation where it happened
    #[command(after_help = "Example:\n  cargo xtask replay runs/paper-micro-1")]
    Replay(Replay),
    /// Measure a run's encoder: with heads on frozen features, or trained with the encoder
    #[command(
        after_help = "Examples:\n  cargo xtask eval runs/mae --head knn k=10\n  cargo xtask eval runs/mae --head linear --data folder --data-path photos --json\n  cargo xtask eval runs/mae --head finetune train.epochs=20 train.batch=64 --seeds 0,1,2\n  cargo xtask eval runs/mae --head finetune --data cub,cars --data-path data/cub --data-path data/cars --dry-run"
    )]
    Eval(Eval),
    /// Spectrum, effective rank, attention distance and similarity of runs' features, beside their random
    /// initialisations
    #[command(
        after_help = "Examples:\n  cargo xtask analyse runs/mae\n  cargo xtask analyse runs/a runs/b --images 1024 --out compared"
    )]
    Analyse(Analyse),
    /// Write a run's weights under the names of timm, Hugging Face or MAE
    #[command(
        after_help = "Examples:\n  cargo xtask export runs/mae --format timm\n  cargo xtask export runs/mae --format hf-mae --ema --out mae-b"
    )]
    Export(Export),
    /// Write the report of one run, or of several side by side
    #[command(
        after_help = "Examples:\n  cargo xtask report runs/mae\n  cargo xtask report runs/a runs/b --out compare.html"
    )]
    Report(Report),
    /// Split a training step into data, corruption, forward, backward and optimiser
    #[command(
        after_help = "Examples:\n  cargo xtask bench recipes/paper-micro.toml\n  cargo xtask bench recipes/paper-vit-b-224.toml --synthetic encoder.size=tiny train.batch=8 train.accumulate=1\n  cargo xtask bench recipes/clothing-paper.toml data.path=photos --data-only"
    )]
    Bench(Bench),
    /// One recipe on several backends in turn: agreement, speed, memory
    #[command(
        after_help = "Examples:\n  cargo xtask compare recipes/paper-micro.toml --pytorch\n  cargo xtask compare recipes/paper-vit-b-224.toml --backends burn,path/to/libmine.so --steps 20 train.batch=8"
    )]
    Compare(Compare),
    /// Try every operation of backends against references: values, gradients, speed
    #[command(
        after_help = "Examples:\n  cargo xtask conform\n  cargo xtask conform --backends burn,path/to/libmine.so --mode grad\n  cargo xtask conform --op layer-norm --json"
    )]
    Conform(Conform),
    /// The process of one backend in a comparison
    #[command(hide = true)]
    CompareWorker(CompareWorker),
    /// List what recipes are made of
    #[command(after_help = "Example:\n  cargo xtask list corruptions")]
    List(List),
    /// Show the fields of one of them, or a recipe with every default
    #[command(
        after_help = "Examples:\n  cargo xtask show corruption cell\n  cargo xtask show table optimizer\n  cargo xtask show recipe recipes/mae-micro.toml"
    )]
    Show(Show),
    /// Data sets: what there is, and what the loader and the corruption make of it
    #[command(subcommand)]
    Data(Data),
    /// Backends: build their libraries, and see what they offer on this machine
    #[command(subcommand)]
    Backend(BackendCommand),
    /// Plug-ins with corruption strategies: write, build, look at, validate
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Pack driver, backends and recipes for a machine without Rust and network
    #[command(
        after_help = "Examples:\n  cargo xtask dist --backends burn,tch,dfdx --out palimpsest.tar.gz\n  cargo xtask dist --cuda --backends burn,tch,dfdx     for a machine with a GPU"
    )]
    Dist(Dist),
    /// Format, lints and tests, as CI runs them
    Check,
    /// Pass every test
    Test,
}

#[derive(Args, Clone)]
pub(crate) struct Where {
    /// The tensor library: burn, tch, or the path of a library
    #[arg(long, default_value = "burn")]
    pub(crate) backend: String,
    /// cpu, cuda:0 or wgpu:0
    #[arg(long, default_value = "cpu")]
    pub(crate) device: Device,
}

#[derive(Args)]
pub(crate) struct Pretrain {
    /// A recipe file
    pub(crate) recipe: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// The run's folder; by default runs/NAME-N
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Optimiser steps, in place of the recipe's epochs
    #[arg(long)]
    pub(crate) steps: Option<usize>,
    /// Check the recipe and the data, tell what would run, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON summary as the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// Overrides of the recipe, KEY=VALUE
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Resume {
    /// The run's folder
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) place: Where,
    /// One JSON summary as the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// Overrides of keys that leave the weights alone, as data.workers=4
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Replay {
    /// The run's folder
    pub(crate) run: PathBuf,
    /// The failed step; by default the newest
    #[arg(long)]
    pub(crate) step: Option<u64>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// The findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Eval {
    /// The run's folder
    pub(crate) run: PathBuf,
    /// Heads (see cargo xtask list heads); the recipe's by default
    #[arg(long, value_delimiter = ',')]
    pub(crate) head: Vec<String>,
    /// Other data sets than the run's, as cub,cars
    #[arg(long, value_delimiter = ',')]
    pub(crate) data: Vec<String>,
    /// The folder or file of each; may be given several times
    #[arg(long)]
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
    #[arg(long, value_delimiter = ',')]
    pub(crate) seeds: Vec<u64>,
    /// Another checkpoint than the newest
    #[arg(long)]
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
    /// Where trained heads are saved, with pictures; by default eval/ in the run's folder. Scores and features of
    /// heads on frozen features are saved where it is given
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Check heads and data, try two steps where the encoder is trained, tell what that would take, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: Where,
    /// One JSON summary as the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// Keys of the head and of its training, KEY=VALUE (see cargo xtask show head finetune)
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Report {
    /// Run folders
    #[arg(required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The file to write; by default report.html in the run's folder
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Bench {
    /// A recipe file; without one, the quick-start
    pub(crate) recipe: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Steps to time, after three to warm up
    #[arg(long, default_value_t = 20)]
    pub(crate) steps: usize,
    /// Time the loader alone
    #[arg(long, conflicts_with = "synthetic")]
    pub(crate) data_only: bool,
    /// Made-up images in place of the recipe's data
    #[arg(long)]
    pub(crate) synthetic: bool,
    /// The result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Overrides of the recipe, KEY=VALUE
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Args, Clone)]
pub(crate) struct Compare {
    /// A recipe file; without one, the quick-start
    pub(crate) recipe: Option<PathBuf>,
    /// Backends or paths of libraries; ratios are to the first
    #[arg(long, value_delimiter = ',', default_value = "burn")]
    pub(crate) backends: Vec<String>,
    /// cpu, cuda:0 or wgpu:0
    #[arg(long, default_value = "cpu")]
    pub(crate) device: Device,
    /// Optimiser steps of each
    #[arg(long, default_value_t = 100)]
    pub(crate) steps: usize,
    /// Steps before it is the next one's turn
    #[arg(long, default_value_t = 5)]
    pub(crate) turn: usize,
    /// First steps that are not timed
    #[arg(long, default_value_t = 10)]
    pub(crate) warm_up: usize,
    /// Add the same recipe in PyTorch, eager and torch.compile
    #[arg(long)]
    pub(crate) pytorch: bool,
    /// The folder of the results; by default results/compare-NAME
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// One JSON summary as the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// Overrides of the recipe, KEY=VALUE
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConformMode {
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
pub(crate) struct Conform {
    /// Backends or paths of libraries
    #[arg(long, value_delimiter = ',', default_value = "burn")]
    pub(crate) backends: Vec<String>,
    /// cpu, cuda:0 or wgpu:0
    #[arg(long, default_value = "cpu")]
    pub(crate) device: Device,
    /// What is tried
    #[arg(long, value_enum, default_value_t = ConformMode::Test)]
    pub(crate) mode: ConformMode,
    /// One operation alone
    #[arg(long)]
    pub(crate) op: Option<String>,
    /// The result as JSON, one line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Dist {
    /// The backends to pack
    #[arg(long, value_delimiter = ',', default_value = "burn,dfdx")]
    pub(crate) backends: Vec<String>,
    /// With CUDA; what it takes to compile is fetched, and no GPU is needed
    #[arg(long)]
    pub(crate) cuda: bool,
    /// With wgpu, for GPUs that are not NVIDIA's: burn alone has it
    #[arg(long, conflicts_with = "cuda")]
    pub(crate) wgpu: bool,
    /// The archive to write
    #[arg(long, default_value = "palimpsest.tar.gz")]
    pub(crate) out: PathBuf,
    /// The result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CompareWorker {
    /// The resolved recipe
    pub(crate) recipe: PathBuf,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ListKind {
    Backends,
    Recipes,
    Presets,
    Encoders,
    Corruptions,
    Noise,
    Decoders,
    Targets,
    Objectives,
    Heads,
    Datasets,
}

#[derive(Args)]
pub(crate) struct List {
    pub(crate) kind: ListKind,
    /// The list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ShowKind {
    Encoder,
    Corruption,
    Noise,
    Decoder,
    Target,
    Objective,
    Head,
    Dataset,
    Preset,
    Recipe,
    Table,
}

#[derive(Args)]
pub(crate) struct Show {
    pub(crate) kind: ShowKind,
    /// The name, a recipe's file, or a table (data, optimizer, schedule, train, eval, noise, restoration)
    pub(crate) name: String,
    /// The description as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// For a recipe: overrides, KEY=VALUE
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Subcommand)]
pub(crate) enum Data {
    /// The readers and the layout that each expects, and the public data sets that `data fetch` knows
    List {
        /// The list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a public data set: resumed where it stopped, verified, then unpacked
    #[command(
        after_help = "Examples:\n  cargo xtask data fetch cifar10 --dry-run\n  cargo xtask data fetch imagenette-160 --out data/imagenette"
    )]
    Fetch(Fetch),
    /// A contact sheet of what the loader and the corruption really produce
    #[command(after_help = "Example:\n  cargo xtask data show recipes/paper-micro.toml --out sheet.png")]
    Show {
        /// A recipe file; without one, the quick-start
        recipe: Option<PathBuf>,
        /// The picture to write
        #[arg(long, default_value = "contact-sheet.png")]
        out: PathBuf,
        /// Images
        #[arg(long, default_value_t = 8)]
        images: usize,
        /// Overrides of the recipe, KEY=VALUE
        #[arg(value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(crate) enum BackendCommand {
    /// Name, version, devices, types and fused operations of a backend
    #[command(
        after_help = "Examples:\n  cargo xtask backend check burn\n  cargo xtask backend check path/to/libmine.so --json"
    )]
    Check {
        /// A backend or the path of a library; all that are known by default
        name: Option<String>,
        /// The answer as JSON
        #[arg(long)]
        json: bool,
    },
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
}

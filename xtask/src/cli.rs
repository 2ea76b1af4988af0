//! The command line: verbs for daily work, and for each noun of the project what can be done with it.

mod analyse;
mod args;
mod backend;
mod collective;
mod data;
mod eval;
mod export;
mod former;
mod help;
mod hint;
mod measuring;
mod plugin;
mod recipe;
mod run;
mod setup;
mod study;
mod training;

use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

pub(crate) use analyse::Analyse;
pub(crate) use args::{DeviceArgs, JsonArg, RanksArgs, RecipeArgs, is_override};
pub(crate) use backend::{BackendCommand, ShowBackend, ValidateBackend, ValidateMode};
pub(crate) use collective::{CheckCollective, CollectiveCommand, CollectiveTask, CollectiveWorker};
pub(crate) use data::{DataCommand, DataStats, Fetch, PackData, ShowData};
pub(crate) use eval::Eval;
pub(crate) use export::Export;
use former::Former;
pub(crate) use help::{PACKED, program};
pub(crate) use measuring::{Bench, Compare, CompareWorker, Report};
pub(crate) use plugin::{
    CheckWorker, FuzzPlugin, FuzzWorker, Language, NewPlugin, PlansWorker, PluginCommand, Tier, Validate,
};
pub(crate) use recipe::{PartCommand, PartKind, RecipeCommand};
pub(crate) use run::{Age, BestRun, ListRuns, PruneRuns, Replay, RunCommand};
pub(crate) use setup::{Dist, Man, Shell};
pub(crate) use study::{ListStudy, ReportStudy, RestoreStudy, RunStudy, StudyCommand};
pub(crate) use training::{Pretrain, Resume};

/// Pre-trains vision encoders by corruption and restoration, and measures what they learnt
#[derive(Parser)]
#[command(
    name = "palimpsest",
    version,
    after_help = "Start with: cargo xtask pretrain, the quick-start on the embedded data.\ncargo xtask COMMAND --help tells more, with examples."
)]
pub(crate) struct Cli {
    /// A plug-in: library, manifest, or a folder of them; may be given several times
    // Not called `plugin`, which is an argument of some commands: a global argument is known to each of them.
    #[arg(long = "plugin", global = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) plugins: Vec<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The command line of this process. Help and mistakes of its form end the process.
    pub(crate) fn of_process() -> Self {
        let mut matches = command(&program()).try_get_matches().unwrap_or_else(|error| hint::exit(error));
        Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit())
    }
}

/// All commands, as the program of this name is called.
pub(crate) fn command(program: &str) -> clap::Command {
    help::dressed(Cli::command(), program)
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Pre-train an encoder; without a recipe, the quick-start on the embedded data
    #[command(
        after_help = "Examples:\n  cargo xtask pretrain\n  cargo xtask pretrain recipes/mae-micro.toml --out runs/mae seed=1\n  cargo xtask pretrain recipes/paper-vit-b-224.toml data.path=photos --dry-run\n  cargo xtask pretrain recipes/mae-micro.toml --out runs/mae --resume\n\nExit status:\n  0 trained, 1 failed, 2 a mistake in what was asked for, 3 another process of the run is lost,\n  75 stopped by SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2, 130 by Ctrl-C; with a checkpoint, which `resume` goes on from"
    )]
    Pretrain(Pretrain),
    /// Go on with a run from its newest checkpoint
    #[command(
        after_help = "Example:\n  cargo xtask resume runs/mae\n\nExit status: as of pretrain; 0 also where the run is finished already"
    )]
    Resume(Resume),
    /// Measure a run's encoder by heads, frozen or trained with it, beside random weights
    #[command(
        after_help = "Examples:\n  cargo xtask eval runs/mae --head knn k=10\n  cargo xtask eval runs/mae --head linear --data folder --data-path photos --json\n  cargo xtask eval runs/mae --head finetune train.epochs=20 train.batch=64 --seeds 0,1,2\n  cargo xtask eval runs/mae --head finetune --data cub,cars --data-path data/cub --data-path data/cars --dry-run"
    )]
    Eval(Eval),
    /// Spectrum, effective rank, attention distance and similarity of runs' features
    #[command(
        after_help = "Examples:\n  cargo xtask analyse runs/mae\n  cargo xtask analyse runs/a runs/b --images 1024 --out compared"
    )]
    Analyse(Analyse),
    /// One recipe on several backends in turn: agreement, speed, memory
    #[command(
        after_help = "Examples:\n  cargo xtask compare recipes/paper-micro.toml --pytorch\n  cargo xtask compare recipes/paper-vit-b-224.toml --backends burn,path/to/libmine.so --steps 20 train.batch=8\n  cargo xtask compare recipes/mae-micro.toml --ranks 2 --pytorch"
    )]
    Compare(Compare),
    /// Split a training step into data, corruption, forward, backward and optimiser
    #[command(
        after_help = "Examples:\n  cargo xtask bench recipes/paper-micro.toml\n  cargo xtask bench recipes/paper-vit-b-224.toml --synthetic encoder.size=tiny train.batch=8 train.accumulate=1\n  cargo xtask bench recipes/clothing-paper.toml data.path=photos --data-only"
    )]
    Bench(Bench),
    /// Write a run's weights under the names of timm, Hugging Face or MAE
    #[command(
        after_help = "Examples:\n  cargo xtask export runs/mae --format timm\n  cargo xtask export runs/mae --format hf-mae --ema --out mae-b"
    )]
    Export(Export),
    /// Write the report of one run, or of several side by side
    #[command(
        after_help = "Examples:\n  cargo xtask report runs/mae\n  cargo xtask report runs/a runs/b --out compare.html\n  cargo xtask report runs/mae --serve      follows a run that is trained; ends with Ctrl-C\n  cargo xtask report runs --serve"
    )]
    Report(Report),
    /// Runs: list, show, diff, best, tag, prune, replay a step that was not finite
    #[command(subcommand)]
    Run(RunCommand),
    /// Studies: many runs planned from one file and judged over seeds
    #[command(subcommand)]
    Study(StudyCommand),
    /// Recipes: list, show with every default
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// What recipes are made of (encoders, corruptions, heads, presets, …): list, show
    #[command(subcommand)]
    Part(PartCommand),
    /// Data sets: list, fetch, stats, pack, show what a recipe makes of one
    #[command(subcommand)]
    Data(DataCommand),
    /// Tensor libraries: list, show, add, build, validate
    #[command(subcommand)]
    Backend(BackendCommand),
    /// Engines between the processes of a run: list, build, check
    #[command(subcommand)]
    Collective(CollectiveCommand),
    /// Corruption strategies as libraries: new, build, list, show, validate, fuzz, reproduce
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print what completes commands in a shell
    #[command(
        after_help = "Examples:\n  source <(cargo xtask completions bash)\n  source <(cargo xtask completions zsh)        after compinit\n  cargo xtask completions fish | source"
    )]
    Completions { shell: Shell },
    /// Print the manual page, or write one for each command
    #[command(after_help = "Example:\n  cargo xtask man --out ~/.local/share/man/man1")]
    Man(Man),
    /// Pack driver, backends and recipes for a machine without Rust and network
    #[command(
        after_help = "Examples:\n  cargo xtask dist --backends burn,tch,dfdx --collectives gloo,mpi --out palimpsest.tar.gz\n  cargo xtask dist --cuda --backends burn,tch,dfdx     for a machine with a GPU"
    )]
    Dist(Dist),
    /// Check the sources as CI does: format, lints, then every test
    Check,
    /// Run every test
    Test,
    /// The process of one backend in a comparison
    #[command(hide = true)]
    CompareWorker(CompareWorker),
    /// One process of an engine's check
    #[command(hide = true)]
    CollectiveWorker(CollectiveWorker),
    #[command(flatten)]
    Former(Former),
}

//! `plugin …` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::JsonArg;

#[derive(Subcommand)]
pub(crate) enum PluginCommand {
    /// Write a plug-in to begin with into an empty folder
    #[command(
        after_help = "Examples:\n  cargo xtask plugin new blue-noise\n  cargo xtask plugin new blue-noise --lang c --path ~/blue-noise"
    )]
    New(NewPlugin),
    /// Build a plug-in, and write its manifest
    #[command(after_help = "Example:\n  cargo xtask plugin build ~/blue-noise")]
    Build {
        /// Its folder, with a Cargo.toml or a Makefile
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        #[command(flatten)]
        result: JsonArg,
    },
    /// The plug-ins that are found, by their manifests: no code of theirs runs
    List {
        #[command(flatten)]
        result: JsonArg,
    },
    /// What a plug-in is: its parameters, capabilities and origin
    #[command(
        after_help = "Examples:\n  cargo xtask plugin show org.example.blue-noise\n  cargo xtask plugin show path/to/libblue_noise.so --json"
    )]
    Show {
        /// An id, its last part, a library or a manifest
        #[arg(value_hint = ValueHint::AnyPath)]
        plugin: String,
        #[command(flatten)]
        result: JsonArg,
    },
    /// Try everything that a plug-in must hold, each check in a process of its own
    #[command(
        after_help = "Examples:\n  cargo xtask plugin validate path/to/libblue_noise.so\n  cargo xtask plugin validate blue-noise --only plan.split --in-process\n  cargo xtask plugin validate --list"
    )]
    Validate(Validate),
    /// Send random requests to a plug-in's plan function
    #[command(after_help = "Example:\n  cargo xtask plugin fuzz path/to/libblue_noise.so --calls 10000000")]
    Fuzz(FuzzPlugin),
    /// Run one random request again, in this process, for a debugger
    #[command(
        after_help = "Example:\n  cargo xtask plugin reproduce path/to/libblue_noise.so 81985529216486895"
    )]
    Reproduce {
        /// An id, its last part, a library or a manifest
        #[arg(value_hint = ValueHint::AnyPath)]
        plugin: String,
        /// The number that `validate` or `fuzz` told
        seed: u64,
    },
    /// The process of one check
    #[command(hide = true)]
    CheckWorker(CheckWorker),
    /// The process of one that differs from a check's
    #[command(hide = true)]
    PlansWorker(PlansWorker),
    /// The process of `fuzz`
    #[command(hide = true)]
    FuzzWorker(FuzzWorker),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    C,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// It decides what becomes of each token; the host does it
    Plan,
    /// It works on the tokens too, with the host's operations
    Ops,
}

#[derive(Args)]
pub(crate) struct NewPlugin {
    /// Its name: lower case letters, digits and -
    pub(crate) name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(crate) lang: Language,
    /// What it does
    #[arg(long, value_enum, default_value_t = Tier::Plan)]
    pub(crate) tier: Tier,
    /// Its id, a reverse domain name; by default org.example.NAME
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The folder to write, which may exist if it is empty; by default NAME
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Validate {
    /// An id, its last part, a library or a manifest
    #[arg(required_unless_present = "list", value_hint = ValueHint::AnyPath)]
    pub(crate) plugin: Option<String>,
    /// One check, or those of a group; may be given several times
    #[arg(long, value_name = "CHECK")]
    pub(crate) only: Vec<String>,
    /// Show what failed alone
    #[arg(long)]
    pub(crate) only_failed: bool,
    /// Seconds that a check may take
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Run the checks in this process, for a debugger: what ends it ends all
    #[arg(long)]
    pub(crate) in_process: bool,
    /// The checks there are
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct FuzzPlugin {
    /// An id, its last part, a library or a manifest
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) plugin: String,
    /// Plans to ask for
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) calls: u64,
    /// Which random requests
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Seconds after which it ends anyhow
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) time: u64,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct CheckWorker {
    pub(crate) library: PathBuf,
    pub(crate) check: String,
    /// The file that takes the answer
    pub(crate) answer: PathBuf,
}

#[derive(Args)]
pub(crate) struct PlansWorker {
    pub(crate) library: PathBuf,
    /// The file that takes the answers
    pub(crate) answer: PathBuf,
    /// Seconds that the library's clocks are ahead
    #[arg(long, default_value_t = 0)]
    pub(crate) seconds: i64,
    /// Whether every variable that the library asks for is set
    #[arg(long)]
    pub(crate) variables: bool,
}

#[derive(Args)]
pub(crate) struct FuzzWorker {
    pub(crate) library: PathBuf,
    pub(crate) calls: u64,
    pub(crate) seed: u64,
    pub(crate) time: u64,
    /// The file that takes the answer
    pub(crate) answer: PathBuf,
    /// The file that takes each seed before its call
    pub(crate) progress: PathBuf,
}

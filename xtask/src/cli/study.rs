//! `study …` on the command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand, ValueHint};

use super::{DeviceArgs, JsonArg};

#[derive(Subcommand)]
pub(crate) enum StudyCommand {
    /// Plan a study from its file and work on its trials; started again, or elsewhere, it takes part
    #[command(
        after_help = "Examples:\n  cargo xtask study run studies/small.toml --dry-run\n  cargo xtask study run studies/small.toml --workers 2\n  cargo xtask study run studies/parts.toml --set data.path=photos --retry-failed"
    )]
    Run(RunStudy),
    /// The cells of a study, and how far each is
    #[command(
        after_help = "Examples:\n  cargo xtask study list runs/studies/small\n  cargo xtask study list runs/studies/small --failed"
    )]
    List(ListStudy),
    /// Judge what is measured so far: report.html, results.json, tables as CSV and LaTeX
    #[command(after_help = "Example:\n  cargo xtask study report runs/studies/small")]
    Report(ReportStudy),
    /// Put the trials of a study's trials.jsonl back where the study looks for them, without weights
    #[command(
        after_help = "Example:\n  cargo xtask study restore runs/studies/small --trials elsewhere/trials"
    )]
    Restore(RestoreStudy),
}

#[derive(Args)]
pub(crate) struct RestoreStudy {
    /// The folder with trials.jsonl
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) study: PathBuf,
    /// Where trials lie; by default trials/ beside the study's folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) trials: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct RunStudy {
    /// The study's file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) study: PathBuf,
    /// The study's folder; by default runs/studies/NAME
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Where trials lie, which studies share; by default trials/ beside the study's folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) trials: Option<PathBuf>,
    /// Trials at a time, which share the machine's cores; small models are fastest with one core each
    #[arg(long, default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) workers: usize,
    /// A key of all cells, over what the study's file sets for them; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Begin trials again that failed
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Check every cell and head, tell what the study would take and what it could show, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct ListStudy {
    /// The study's folder
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) study: PathBuf,
    /// Where trials lie; by default trials/ beside the study's folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) trials: Option<PathBuf>,
    /// Failed trials alone, with the reason
    #[arg(long)]
    pub(crate) failed: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct ReportStudy {
    /// The study's folder
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) study: PathBuf,
    /// Where trials lie; by default trials/ beside the study's folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) trials: Option<PathBuf>,
    /// Where page and tables go; by default the study's folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

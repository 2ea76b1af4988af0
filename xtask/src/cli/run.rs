//! `run …` on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};

use super::{DeviceArgs, JsonArg};
use crate::runs::{Condition, Order};

#[derive(Subcommand)]
pub(crate) enum RunCommand {
    /// The runs in a folder: steps, loss, scores, state, size; chosen and sorted by any key
    #[command(
        after_help = "Keys: run, name, recipe, state (finished, running, not finished, stopped), steps, total, epochs, loss, size,\n\
                      started, changed, backend, device, hash, revision, tags, note; a head (knn) or score.knn, random.knn,\n\
                      gain.knn; eval.HEAD-DATA.FIGURE, as `eval` saved it; and the recipe's, as optimizer.lr.\n\n\
                      Examples:\n  cargo xtask run list\n  cargo xtask run list runs/sweep --sort knn:desc -n 10 --columns run,optimizer.lr,seed,knn\n  \
                      cargo xtask run list --where 'state = finished' --where 'optimizer.lr <= 1e-3' --where 'tags != draft' --json"
    )]
    List(ListRuns),
    /// What a run is and where it stands: recipe, machine, loss, scores, checkpoints
    #[command(after_help = "Example:\n  cargo xtask run show runs/mae-micro-1")]
    Show {
        /// The run's folder
        #[arg(value_hint = ValueHint::DirPath)]
        run: PathBuf,
        #[command(flatten)]
        result: JsonArg,
    },
    /// In what runs differ: recipe, machine, scores, loss at common steps
    #[command(after_help = "Example:\n  cargo xtask run diff runs/a runs/b")]
    Diff {
        /// The runs' folders
        #[arg(required = true, num_args = 2.., value_name = "RUN", value_hint = ValueHint::DirPath)]
        runs: Vec<PathBuf>,
        #[command(flatten)]
        result: JsonArg,
    },
    /// The best runs of a folder by a score, or by any other number
    #[command(
        after_help = "Examples:\n  cargo xtask run best --by knn\n  cargo xtask export $(cargo xtask run best runs/sweep --by linear --path) --format timm"
    )]
    Best(BestRun),
    /// Give runs tags and a note, or take tags away; without a change, show them
    #[command(
        after_help = "A run that is tagged keep is never pruned.\n\nExamples:\n  cargo xtask run tag runs/mae +keep -draft note=\"the one of the table\"\n  cargo xtask run tag runs/mae"
    )]
    Tag {
        /// Runs, and what changes: +TAG, -TAG, note=TEXT (`note=` takes the note away)
        #[arg(required = true, allow_hyphen_values = true, value_name = "RUN|+TAG|-TAG|note=TEXT")]
        words: Vec<String>,
        #[command(flatten)]
        result: JsonArg,
    },
    /// Free the disk of checkpoints, or of whole runs; without --yes, tell what would go
    #[command(
        after_help = "Never touched: runs that are tagged keep, that a process trains in, or whose weights another run starts from\n\
                      (init_from of a run in FOLDER; of any in runs/, where FOLDER lies there).\n\n\
                      Examples:\n  cargo xtask run prune runs --keep-last-checkpoint\n  cargo xtask run prune runs/sweep --keep-best 3 --by knn --yes\n  \
                      cargo xtask run prune runs --whole --unfinished --older-than 30d --yes"
    )]
    Prune(PruneRuns),
    /// Run a failed step again, and name the first operation with a result that is not finite
    #[command(after_help = "Example:\n  cargo xtask run replay runs/paper-micro-1")]
    Replay(Replay),
}

#[derive(Args)]
pub(crate) struct ListRuns {
    /// The folder; runs in folders below it are found too
    #[arg(default_value = "runs", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// Sort by keys, as knn:desc or optimizer.lr,seed; runs without the key come last
    #[arg(long, value_name = "KEY[:desc]", value_delimiter = ',')]
    pub(crate) sort: Vec<Order>,
    /// The columns, in place of the usual ones
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// The first so many
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct BestRun {
    /// The folder; runs in folders below it are found too
    #[arg(default_value = "runs", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// The score, as knn, or another key of a number: the highest is best, of a loss the lowest
    #[arg(long, value_name = "KEY")]
    pub(crate) by: String,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// The best so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1)]
    pub(crate) limit: usize,
    /// Print the folders alone, one a line
    #[arg(long, conflicts_with = "json")]
    pub(crate) path: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

/// Which runs.
#[derive(Args)]
pub(crate) struct Conditions {
    /// Only runs for which this holds: =, !=, <, <=, >, >=, ~ (contains), !~; KEY alone, it has one; !KEY, it has none. May
    /// be given several times
    #[arg(long = "where", value_name = "KEY OP VALUE")]
    pub(crate) all: Vec<Condition>,
}

#[derive(Args)]
pub(crate) struct PruneRuns {
    /// The folder; runs in folders below it are found too
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// Spare the N best, and runs without the score
    #[arg(long, value_name = "N", requires = "by")]
    pub(crate) keep_best: Option<usize>,
    /// The score of --keep-best
    #[arg(long, value_name = "KEY", requires = "keep_best")]
    pub(crate) by: Option<String>,
    /// Leave each run its newest checkpoint that is whole
    #[arg(long, conflicts_with = "whole")]
    pub(crate) keep_last_checkpoint: bool,
    /// Only runs that did not come to their end
    #[arg(long)]
    pub(crate) unfinished: bool,
    /// Only runs in which nothing was trained for so long: 90m, 12h, 30d, 2w
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: Option<Age>,
    /// Remove the runs' folders, and not their checkpoints alone
    #[arg(long)]
    pub(crate) whole: bool,
    /// Tell what would go, which is what happens without --yes
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Remove it
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

/// A time span in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Age(pub(crate) u64);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
        let unit = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)));
        let age = unit.and_then(|(count, seconds)| count.parse::<u64>().ok()?.checked_mul(seconds));
        age.map(Self).ok_or_else(|| "write it as 90m, 12h, 30d or 2w".to_owned())
    }
}

#[derive(Args)]
pub(crate) struct Replay {
    /// The run's folder
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// The failed step; by default the newest
    #[arg(long)]
    pub(crate) step: Option<u64>,
    #[command(flatten)]
    pub(crate) on: DeviceArgs,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

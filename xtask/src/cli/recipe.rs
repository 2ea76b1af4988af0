//! `recipe …` and `part …` on the command line.

use clap::{Subcommand, ValueEnum};

use super::{JsonArg, RecipeArgs};

#[derive(Subcommand)]
pub(crate) enum RecipeCommand {
    /// The recipes in the folder recipes/, with what each is
    List {
        #[command(flatten)]
        result: JsonArg,
    },
    /// A recipe with its presets resolved and every default
    #[command(
        after_help = "Examples:\n  cargo xtask recipe show recipes/mae-micro.toml\n  cargo xtask recipe show recipes/mae-micro.toml train.epochs=2 --json"
    )]
    Show {
        #[command(flatten)]
        recipe: RecipeArgs,
        #[command(flatten)]
        result: JsonArg,
    },
}

#[derive(Subcommand)]
pub(crate) enum PartCommand {
    /// The parts of a kind; of all kinds without one
    #[command(after_help = "Examples:\n  cargo xtask part list\n  cargo xtask part list heads")]
    List {
        /// What kind, in the singular or the plural
        kind: Option<PartKind>,
        #[command(flatten)]
        result: JsonArg,
    },
    /// The keys of a part: defaults, ranges and what they mean
    #[command(
        after_help = "Examples:\n  cargo xtask part show corruption cell\n  cargo xtask part show head finetune\n  cargo xtask part show table optimizer\n  cargo xtask part show preset mae"
    )]
    Show {
        /// What kind it is
        kind: PartKind,
        /// The part's name
        name: String,
        #[command(flatten)]
        result: JsonArg,
    },
}

/// What a recipe names.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartKind {
    #[value(alias = "encoders")]
    Encoder,
    #[value(alias = "corruptions")]
    Corruption,
    Noise,
    #[value(alias = "decoders")]
    Decoder,
    #[value(alias = "targets")]
    Target,
    #[value(alias = "objectives")]
    Objective,
    #[value(alias = "heads")]
    Head,
    /// Readers of data sets
    #[value(aliases = ["readers", "dataset", "datasets"])]
    Reader,
    /// The settings that make a method: `preset = "mae"`
    #[value(alias = "presets")]
    Preset,
    /// How heads are fitted at a scale: `[head] preset = "small"`
    #[value(alias = "head-presets")]
    HeadPreset,
    /// A recipe's tables beside its parts
    #[value(alias = "tables")]
    Table,
}

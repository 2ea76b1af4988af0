//! Spellings of before: they go on working, and say the one of now.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    BackendCommand, Command, JsonArg, PartCommand, PartKind, RecipeArgs, RecipeCommand, Replay, RunCommand,
    ValidateBackend,
};

#[derive(Subcommand)]
pub(crate) enum Former {
    /// Now: backend validate
    #[command(hide = true)]
    Conform(ValidateBackend),
    /// Now: run replay
    #[command(hide = true)]
    Replay(Replay),
    /// Now: part list, recipe list, backend list
    #[command(hide = true)]
    List {
        kind: Kind,
        #[command(flatten)]
        result: JsonArg,
    },
    /// Now: part show, recipe show, backend show
    #[command(hide = true)]
    Show(Show),
}

#[derive(Args)]
pub(crate) struct Show {
    kind: Kind,
    name: String,
    #[command(flatten)]
    result: JsonArg,
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// What `list` and `show` took.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Backend,
    Recipe,
    Part(PartKind),
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "backend" | "backends" => Ok(Self::Backend),
            "recipe" | "recipes" => Ok(Self::Recipe),
            part => PartKind::from_str(part, false).map(Self::Part),
        }
    }
}

impl Former {
    /// The same as it is said now: the old words, the new ones, and the command.
    pub(crate) fn renewed(self) -> (&'static str, &'static str, Command) {
        let backend = Command::Backend;
        match self {
            Self::Conform(args) => ("conform", "backend validate", backend(BackendCommand::Validate(args))),
            Self::Replay(args) => ("replay", "run replay", Command::Run(RunCommand::Replay(args))),
            Self::List { kind: Kind::Backend, result } => {
                ("list backends", "backend list", backend(BackendCommand::List { result }))
            }
            Self::List { kind: Kind::Recipe, result } => {
                ("list recipes", "recipe list", Command::Recipe(RecipeCommand::List { result }))
            }
            Self::List { kind: Kind::Part(kind), result } => {
                ("list", "part list", Command::Part(PartCommand::List { kind: Some(kind), result }))
            }
            Self::Show(Show { kind, name, result, overrides }) => match kind {
                Kind::Backend => {
                    let show = super::ShowBackend { name: Some(name), result };
                    ("show backend", "backend show", backend(BackendCommand::Show(show)))
                }
                Kind::Recipe => {
                    let recipe = RecipeArgs::of(name, overrides);
                    ("show recipe", "recipe show", Command::Recipe(RecipeCommand::Show { recipe, result }))
                }
                Kind::Part(kind) => {
                    ("show", "part show", Command::Part(PartCommand::Show { kind, name, result }))
                }
            },
        }
    }
}

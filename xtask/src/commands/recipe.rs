//! `recipe`: recipe files, and what one means in full.

use std::path::PathBuf;

use palimpsest_core::Result;
use serde_json::json;

use crate::cli::RecipeCommand;
use crate::{output, recipes, session};

pub(crate) fn run(command: &RecipeCommand) -> Result<()> {
    match command {
        RecipeCommand::List { result } => output::named(&files(), result.json),
        RecipeCommand::Show { recipe, result } => {
            let (file, overrides) = recipe.parts()?;
            let recipe = session::recipe(file.as_deref(), &overrides)?;
            if result.json {
                output::json(&json!({ "hash": recipe.hash(), "recipe": recipe.table() }));
            } else {
                output::line(recipe.to_toml().trim_end());
            }
        }
    }
    Ok(())
}

/// The recipe files, with the first line of each.
fn files() -> Vec<(String, String)> {
    let first = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
        (path.display().to_string(), first)
    };
    recipes::files(&recipes::folder()).into_iter().map(first).collect()
}

//! `recipe`: recipe files, and what one means in full.

use std::path::Path;

use palimpsest_core::Result;
use serde_json::json;

use crate::cli::RecipeCommand;
use crate::{output, session};

pub(crate) fn run(command: &RecipeCommand) -> Result<()> {
    match command {
        RecipeCommand::List { result } => output::named(&files(), result.json),
        RecipeCommand::Show { recipe, result } => {
            let (file, overrides) = recipe.parts()?;
            let recipe = session::recipe(file.as_deref(), &overrides)?;
            if result.json {
                output::line(&json!({ "hash": recipe.hash(), "recipe": recipe.table() }).to_string());
            } else {
                output::line(recipe.to_toml().trim_end());
            }
        }
    }
    Ok(())
}

/// The recipe files of the checkout, with the first line of each.
fn files() -> Vec<(String, String)> {
    let folder = Path::new("recipes");
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
            found.push((path.display().to_string(), first));
        }
    }
    found.sort();
    found
}

//! The archive's plug-ins and their recipes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_core::{Error, Result};

use super::copy_stripped;
use crate::commands::plugin::build;
use crate::output;

/// Builds the plug-ins of the checkout, those with a recipe, into `plugins` of the archive, where the driver
/// looks unasked. Returns how many there are.
pub(super) fn pack(root: &Path, archive: &Path, scratch: &Path) -> Result<usize> {
    let (libraries, recipes) = (archive.join("plugins"), archive.join("recipes"));
    let mut packed = 0;
    for folder in with_recipe(&root.join("plugins"))? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !folder.join("Cargo.toml").is_file() && Command::new("make").arg("--version").output().is_err() {
            output::note(&format!("note: {name} is not packed, as there is no make"));
            continue;
        }
        let built = build::compile(&folder)?;
        let file = built.file_name().ok_or_else(|| Error::failure("a library without a name"))?;
        // Its hash is that of what is packed.
        let stripped = scratch.join(file);
        copy_stripped(&built, &stripped)?;
        build::install(&stripped, &libraries)?;
        let recipe = folder.join("recipe.toml");
        fs::copy(&recipe, recipes.join(format!("{name}.toml"))).map_err(|e| Error::io(&recipe, &e))?;
        packed += 1;
    }
    Ok(packed)
}

/// The folders that hold a plug-in and its recipe, by name.
fn with_recipe(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io(folder, &e))?.flatten().map(|e| e.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.join("recipe.toml").is_file()).collect();
    found.sort();
    Ok(found)
}

//! The folders of runs below a folder.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use crate::output;

/// The folders of runs, at any depth, in the order of their paths; what lies in a run's own folder is part of it.
///
/// # Errors
/// A folder that can't be read; one below it is told and passed over.
pub(crate) fn find(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    // The default folder is made by the first run.
    if folder != Path::new("runs") || folder.exists() {
        visit(folder, &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn visit(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries: Vec<DirEntry> =
        fs::read_dir(folder).and_then(Iterator::collect).map_err(|e| Error::io(folder, &e))?;
    if is_run(&entries) {
        found.push(folder.to_owned());
        return Ok(());
    }
    for entry in entries {
        // Hidden folders (`.cargo` has a config.toml too) are no runs. Links are not followed: they may lead round in a
        // circle.
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Err(e) = visit(&entry.path(), found)
        {
            output::note(&format!("note: {e}; passed over"));
        }
    }
    Ok(())
}

/// Whether a run was begun here. Results of a comparison have a config.toml too, and heads that `eval` saved have metrics
/// besides.
fn is_run(entries: &[DirEntry]) -> bool {
    let has = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
    let recipe = entries.iter().any(|entry| {
        entry.file_name() == "config.toml" && entry.file_type().is_ok_and(|kind| !kind.is_dir())
    });
    let head = || ["scores.json", "model.safetensors"].into_iter().any(has);
    recipe && (["checkpoints", "train.log"].into_iter().any(has) || has("metrics.jsonl") && !head())
}

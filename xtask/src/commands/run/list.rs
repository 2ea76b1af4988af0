//! `run list`: the runs in a folder.

use std::path::{Path, PathBuf};

use palimpsest_core::train::RunFolder;
use palimpsest_core::{Error, Result};

use crate::output;
use crate::report::Overview;

pub(super) fn run(folder: &Path, as_json: bool) -> Result<()> {
    let mut found = vec![];
    // The default folder is made by the first run.
    if folder != Path::new("runs") || folder.exists() {
        find(folder, &mut found)?;
    }
    found.sort();
    let runs: Vec<Overview> =
        found.iter().map(|path| Ok(Overview::of(&RunFolder::open(path)?))).collect::<Result<_>>()?;
    if as_json {
        output::json(&runs);
        return Ok(());
    }
    if runs.is_empty() {
        output::note(&format!("no runs in {}; start one: cargo xtask pretrain", folder.display()));
        return Ok(());
    }
    let mut rows = vec![["run", "recipe", "steps", "loss", "state", "size"].map(str::to_owned).to_vec()];
    for run in &runs {
        rows.push(vec![
            run.run.clone(),
            run.name.clone(),
            run.progress(),
            run.loss_text(),
            run.state.clone(),
            run.size(),
        ]);
    }
    output::table(&rows);
    Ok(())
}

/// Whether a run was begun here: results of a comparison have a config.toml too.
fn is_run(folder: &Path) -> bool {
    let begun = ["checkpoints", "metrics.jsonl", "train.log"].iter().any(|name| folder.join(name).exists());
    begun && RunFolder::open(folder).is_ok()
}

/// The folders of runs, at any depth; what lies in a run's own folder is part of it.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if is_run(folder) {
        found.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
        let entry = entry.map_err(|e| Error::io(folder, &e))?;
        // Hidden folders (`.cargo` has a config.toml too) are no runs. Links are not followed: they may lead round in a
        // circle.
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find(&entry.path(), found)?;
        }
    }
    Ok(())
}

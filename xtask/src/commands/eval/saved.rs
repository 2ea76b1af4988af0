//! What an evaluation leaves in its folder.

use std::fs;
use std::path::{Path, PathBuf};

use palimpsest_core::finetune::FitSummary;
use palimpsest_core::head::{Artifact, PartSize, Scores};
use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use serde_json::{Map, Value, json};

use crate::output;

const SCORES: &str = "scores.json";

/// ROOT/HEAD-DATA/SIDE-seedN, made.
pub(super) fn folder(root: &Path, head: &str, set: &str, weights: &str, seed: u64) -> Result<PathBuf> {
    let folder = root.join(format!("{head}-{set}")).join(format!("{weights}-seed{seed}"));
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
    Ok(folder)
}

/// The note where scores are about to be replaced.
pub(super) fn replaces(folder: &Path) -> Option<String> {
    let there = folder.join(SCORES).exists();
    there.then(|| format!("note: replaces the scores in {} (--out keeps both)", folder.display()))
}

/// Writes a file, whole or not at all.
pub(super) fn file(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    write_atomically(&folder.join(name), bytes)
}

/// Writes images and tables.
pub(super) fn artifacts(folder: &Path, artifacts: &[Artifact]) -> Result<()> {
    artifacts.iter().try_for_each(|artifact| file(folder, &artifact.name, &artifact.bytes))
}

/// Writes `scores.json`.
pub(super) fn scores(
    folder: &Path,
    scores: &Scores,
    [train, test]: &[PartSize; 2],
    training: Option<&FitSummary>,
) -> Result<()> {
    let figures: Map<String, Value> =
        scores.iter().map(|(figure, value)| (figure.clone(), json!(value))).collect();
    let text = json!({ "scores": figures, "train": train, "test": test, "training": training });
    let text = output::rounded(text);
    file(folder, SCORES, format!("{text:#}\n").as_bytes())
}

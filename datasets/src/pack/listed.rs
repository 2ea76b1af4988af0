//! What the list beside packed shards says of them, for who reads them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use palimpsest_core::head::counted;
use serde::Deserialize;

use super::ledger::{LEDGER, ShardRecord};

/// The part of the list that tells of shards; the rest is of packing alone.
#[derive(Deserialize)]
struct Shards {
    shards: Vec<ShardRecord>,
}

/// The shards that a folder's list has, by their files' names. None where there is no list, or another program's.
pub(crate) fn listed_shards(folder: &Path) -> HashMap<String, ShardRecord> {
    let Ok(bytes) = std::fs::read(folder.join(LEDGER)) else { return HashMap::new() };
    let list: Option<Shards> = serde_json::from_slice(&bytes).ok();
    let shards = list.into_iter().flat_map(|list| list.shards);
    shards.map(|shard| (shard.file.clone(), shard)).collect()
}

/// What is told where shards that are listed aren't among the files of the folder.
pub(crate) fn gone(folder: &Path, files: &[PathBuf]) -> Option<String> {
    let listed = listed_shards(folder);
    let is_there = |shard: &ShardRecord| files.iter().any(|file| *file == folder.join(&shard.file));
    let gone: Vec<&ShardRecord> = listed.values().filter(|shard| !is_there(shard)).collect();
    (!gone.is_empty()).then(|| {
        let samples = gone.iter().map(|shard| shard.samples).sum();
        format!(
            "warning: {}: {} of {} that {LEDGER} lists are gone, with {}",
            folder.display(),
            gone.len(),
            counted(listed.len(), "shard", "shards"),
            counted(samples, "sample", "samples"),
        )
    })
}

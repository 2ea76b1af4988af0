//! What becomes of one shard when its folder is opened: its kept table, or a new one, and whether its bytes are those that
//! they should be.
//!
//! A checksum that was kept is never replaced by that of other bytes, whether they are looked at or not: else damage would be
//! told once, and then be taken for the truth.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::error::listed;
use palimpsest_core::{Error, Result};

use super::index::Check;
use super::members::Members;
use super::scan::{scanned, whole_sum};
use super::table::{ShardTable, Sum};
use crate::pack::{LEDGER, ShardRecord};

/// What is known of a shard before it is opened.
pub(super) enum Known {
    Fresh(Arc<ShardTable>),
    /// What it was, if it was indexed before.
    Stale(Option<Arc<ShardTable>>),
}

/// A shard, and how it is opened.
pub(super) struct Indexing<'a> {
    pub(super) file: &'a Path,
    pub(super) members: &'a Members,
    pub(super) check: Check,
    /// What the packer's list says of it.
    pub(super) listed: Option<&'a ShardRecord>,
}

/// What became of it.
pub(super) struct Outcome {
    pub(super) table: Arc<ShardTable>,
    changes: Vec<Change>,
    /// Whether the kept index has another one.
    pub(super) write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Other headers or labels than before.
    Content,
    /// Other bytes than the packer's list says.
    NotAsListed,
    /// Other bytes than those of the kept checksum.
    NotAsKept,
    /// There was nothing to compare the bytes with.
    Summed,
}

impl Indexing<'_> {
    /// # Errors
    /// A shard that can't be read or is no tar.
    pub(super) fn outcome(&self, known: Known) -> Result<Outcome> {
        let (before, fresh) = match known {
            Known::Fresh(table) => (Some(table), true),
            Known::Stale(before) => (before, false),
        };
        let mut changes = vec![];
        let kept = before.as_ref().and_then(|before| before.whole);
        let whole = match self.check {
            Check::State => kept,
            Check::Bytes => {
                let (whole, change) = self.compared(kept)?;
                changes.extend(change);
                whole
            }
        };
        let samples = self.listed.map_or(0, |listed| listed.samples);
        let as_it_was = fresh && changes.iter().all(|change| *change == Change::Summed);
        let mut table = match before.as_ref().filter(|_| as_it_was) {
            // Tables may be large: one that stays as it is isn't copied.
            Some(before) if before.whole == whole && !before.lacks(samples) => {
                return Ok(Outcome { table: before.clone(), changes, write: false });
            }
            Some(before) => (**before).clone(),
            None => scanned(self.file, self.members)?,
        };
        table.whole = whole;
        if let Some(before) = &before {
            if before.sum != table.sum || before.size != table.size {
                changes.insert(0, Change::Content);
            }
            table.was_of(before.due());
        }
        table.was_of(samples);
        let write = before.is_none_or(|before| *before != table);
        Ok(Outcome { table: Arc::new(table), changes, write })
    }

    /// The checksum that is kept from now on, and what the comparison of all bytes found.
    fn compared(&self, kept: Option<Sum>) -> Result<(Option<Sum>, Option<Change>)> {
        let io = |e: std::io::Error| Error::io(self.file, &e);
        let now = whole_sum(&File::open(self.file).map_err(io)?).map_err(io)?;
        let hexadecimal = || now.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(match (self.listed, kept) {
            // Packed again, it is another shard, and this is its checksum.
            (Some(listed), _) if listed.sha256 == hexadecimal() => (Some(now), None),
            (Some(_), _) => (kept, Some(Change::NotAsListed)),
            (None, Some(kept)) if kept == now => (Some(kept), None),
            (None, Some(kept)) => (Some(kept), Some(Change::NotAsKept)),
            (None, None) => (Some(now), Some(Change::Summed)),
        })
    }
}

/// What the user may want to know of a folder's shards, one sentence each.
pub(super) fn told(folder: &Path, places: &[PathBuf], names: &[String], outcomes: &[Outcome]) -> Vec<String> {
    let named = |wanted: Change| -> Vec<String> {
        let all = names.iter().zip(outcomes);
        all.filter(|(_, outcome)| outcome.changes.contains(&wanted)).map(|(name, _)| name.clone()).collect()
    };
    let place = folder.display();
    let mut notes = vec![];
    let (content, differ) = (named(Change::Content), named(Change::NotAsListed));
    if !content.is_empty() {
        let were = if content.len() == 1 { "was" } else { "were" };
        notes.push(format!(
            "{place}: {} changed since the shards were indexed, and {were} indexed again",
            listed(&content)
        ));
    }
    let have = |names: &[String]| if names.len() == 1 { "has" } else { "have" };
    if !differ.is_empty() {
        notes.push(format!(
            "warning: {place}: {} {} other bytes than {LEDGER} says; copy or pack again",
            listed(&differ),
            have(&differ)
        ));
    }
    let differ = named(Change::NotAsKept);
    if !differ.is_empty() {
        let index = places.iter().find(|place| place.is_file()).or(places.first());
        notes.push(format!(
            "warning: {place}: {} {} other bytes than those whose checksum was kept; copy again, or remove {} if these are \
             right",
            listed(&differ),
            have(&differ),
            index.map_or_else(String::new, |index| index.display().to_string())
        ));
    }
    let summed = named(Change::Summed);
    if !summed.is_empty() {
        notes.push(format!(
            "{place}: of {} no checksum was kept that its bytes could be compared with; it is taken now, and compared from \
             the next time",
            if summed.len() == names.len() { "the shards".to_owned() } else { listed(&summed) }
        ));
    }
    notes
}

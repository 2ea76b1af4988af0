//! The tables of all shards: kept ones where a shard is as it was, else made anew, some shards at a time.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use palimpsest_core::head::counted;
use palimpsest_core::{Error, Result};
use rayon::prelude::*;

use super::indexing::{Indexing, Known, Outcome, told};
use super::kept;
use super::members::Members;
use super::table::ShardTable;
use crate::formats::image_files::folder_of;
use crate::pack::listed_shards;
use palimpsest_core::positioned::written_at;

/// The tables of shards, in the order of `files`, and what the user may want to know of their making.
///
/// A kept table counts while its shard has the size and the time of writing that it had; with [`Check::Bytes`] all bytes of the
/// shards are compared too: with the packer's list beside them, or with what they were when they were first compared.
///
/// # Errors
/// A shard that can't be read or is no tar.
pub(super) fn tables_of(
    files: &[PathBuf],
    members: &Members,
    check: Check,
) -> Result<(Vec<Arc<ShardTable>>, Vec<String>)> {
    let mut folders: Vec<(&Path, Vec<usize>)> = Vec::new();
    for (at, file) in files.iter().enumerate() {
        match folders.iter_mut().find(|(folder, _)| *folder == folder_of(file)) {
            Some((_, own)) => own.push(at),
            None => folders.push((folder_of(file), vec![at])),
        }
    }
    let none = Arc::new(ShardTable::default());
    let mut tables: Vec<Arc<ShardTable>> = files.iter().map(|_| none.clone()).collect();
    let mut notes = Vec::new();
    for (folder, own) in folders {
        let shards: Vec<&PathBuf> = own.iter().map(|&at| &files[at]).collect();
        let (found, more) = of_folder(folder, &shards, members, check)?;
        own.into_iter().zip(found).for_each(|(at, table)| tables[at] = table);
        notes.extend(more);
    }
    Ok((tables, notes))
}

/// How a shard is compared with what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// By its size and the time of writing.
    State,
    /// By all its bytes too.
    Bytes,
}

fn of_folder(
    folder: &Path,
    files: &[&PathBuf],
    members: &Members,
    check: Check,
) -> Result<(Vec<Arc<ShardTable>>, Vec<String>)> {
    let states: Vec<Metadata> = files
        .iter()
        .map(|file| std::fs::metadata(file).map_err(|e| Error::io(file, &e)))
        .collect::<Result<_>>()?;
    let names: Vec<String> = files.iter().map(|file| name_of(file)).collect();
    let places = kept::places(folder, members);
    let shared = Shared::of(folder, members);
    let mut before: HashMap<String, Arc<ShardTable>> = HashMap::new();
    let absent: HashSet<String> = names
        .iter()
        .zip(&states)
        .filter(|(name, state)| match shared.get(name).filter(|table| is_of(table, state)) {
            Some(table) => before.insert((*name).clone(), table).is_some(),
            None => true,
        })
        .map(|(name, _)| name.clone())
        .collect();
    // What lies beside the shards may be older than what lies in the cache, where the folder can't be written any more.
    let state_of: HashMap<&str, &Metadata> = names.iter().map(String::as_str).zip(&states).collect();
    let fresh =
        |table: &ShardTable| state_of.get(table.name.as_str()).is_some_and(|state| is_of(table, state));
    for place in &places {
        if absent.iter().all(|name| before.get(name).is_some_and(|table| fresh(table))) {
            break;
        }
        for table in kept::read(place, members, Some(&absent)).unwrap_or_default() {
            if before.get(&table.name).is_none_or(|known| !fresh(known)) {
                before.insert(table.name.clone(), Arc::new(table));
            }
        }
    }
    let known: Vec<Known> = names
        .iter()
        .zip(&states)
        .map(|(name, state)| match before.remove(name) {
            Some(table) if is_of(&table, state) => Known::Fresh(table),
            other => Known::Stale(other),
        })
        .collect();
    let stale = known.iter().filter(|known| matches!(known, Known::Stale(_))).count();
    let listed = listed_shards(folder);
    // A shard is a task: on a disk that is far away several are read at once.
    let outcomes: Vec<Outcome> = files
        .par_iter()
        .zip(&names)
        .zip(known)
        .map(|((file, name), known)| {
            Indexing { file, members, check, listed: listed.get(name) }.outcome(known)
        })
        .collect::<Result<_>>()?;
    let mut notes = told(folder, &places, &names, &outcomes);
    let tables: Vec<Arc<ShardTable>> = outcomes.iter().map(|outcome| outcome.table.clone()).collect();
    if outcomes.iter().any(|outcome| outcome.write) {
        let all = with_those_of_others(folder, &places, members, &names, &tables);
        match kept::write(&places, members, &all) {
            Ok(place) if stale > 0 => {
                let samples: usize = tables.iter().map(|table| table.len()).sum();
                notes.push(format!(
                    "{} of {} indexed in {}",
                    counted(samples, "sample", "samples"),
                    counted(files.len(), "shard", "shards"),
                    place.display()
                ));
            }
            Ok(_) => {}
            Err(error) => {
                notes.push(format!("the index can't be kept, so that it is made at every start: {error}"))
            }
        }
    }
    shared.keep(&tables);
    Ok((tables, notes))
}

/// These tables, and the kept ones of other shards that are still in the folder: those of another part.
fn with_those_of_others(
    folder: &Path,
    places: &[PathBuf],
    members: &Members,
    names: &[String],
    tables: &[Arc<ShardTable>],
) -> Vec<Arc<ShardTable>> {
    let own: HashSet<&String> = names.iter().collect();
    let kept = places.iter().find_map(|place| kept::read(place, members, None)).unwrap_or_default();
    let others =
        kept.into_iter().filter(|table| !own.contains(&table.name) && folder.join(&table.name).is_file());
    tables.iter().cloned().chain(others.map(Arc::new)).collect()
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether a table is of a shard in this state.
pub(super) fn is_of(table: &ShardTable, state: &Metadata) -> bool {
    table.size == state.len() && table.written == written_at(state)
}

/// Tables that are in use, so that two parts of one set don't hold them twice.
struct Shared(String);

static IN_USE: Mutex<Option<HashMap<String, Weak<ShardTable>>>> = Mutex::new(None);

impl Shared {
    fn of(folder: &Path, members: &Members) -> Self {
        Self(format!("{}\n{}", folder.display(), members.text()))
    }

    fn get(&self, name: &str) -> Option<Arc<ShardTable>> {
        let in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.as_ref()?.get(&format!("{}{name}", self.0))?.upgrade()
    }

    fn keep(&self, tables: &[Arc<ShardTable>]) {
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let all = in_use.get_or_insert_default();
        all.retain(|_, table| table.strong_count() > 0);
        all.extend(tables.iter().map(|table| (format!("{}{}", self.0, table.name), Arc::downgrade(table))));
    }
}

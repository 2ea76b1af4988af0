//! The list of whole shards beside them, from which packing goes on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::shard::{file_name, hexadecimal};
use super::sources::file_sum;
use super::{PackFormat, PackOptions, PackPart};

/// The file's name.
pub const LEDGER: &str = "pack.json";

/// Counted up where the same data and options give other bytes than before.
const WRITER: u32 = 1;

/// What is packed, and how: what has to be the same for packing to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    writer: u32,
    format: PackFormat,
    shard_size: u64,
    resize: Option<usize>,
    shuffle: Option<u64>,
    classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
    parts: Vec<PlannedPart>,
}

/// A part by its samples' names and labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PlannedPart {
    part: String,
    images: usize,
    /// SHA-256 of the names, labels, label sets and numbers, in order.
    list: String,
}

impl Plan {
    /// # Errors
    /// Targets that can't be read.
    pub(super) fn of(parts: &[PackPart], options: &PackOptions) -> Result<Self> {
        let planned = |part: &PackPart| -> Result<PlannedPart> {
            let targets = &part.targets;
            let told = targets.labels.is_some() || targets.values.is_some();
            let mut sha = Sha256::new();
            for index in 0..part.data.len() {
                sha.update(format!("{:?} {:?}\n", part.data.name(index), part.data.label(index)));
                if told {
                    sha.update(format!("{:?}\n", targets.of(index)?));
                }
            }
            let list = hexadecimal(&sha.finalize());
            Ok(PlannedPart { part: part.split.to_string(), images: part.data.len(), list })
        };
        let first = parts.first();
        Ok(Self {
            writer: WRITER,
            format: options.format,
            shard_size: options.shard_size,
            resize: options.resize.map(|resize| resize.side),
            shuffle: options.shuffle,
            classes: first.map(|part| part.data.classes().to_vec()).unwrap_or_default(),
            labels: first.map(|part| part.targets.label_names().to_vec()).unwrap_or_default(),
            values: first.map(|part| part.targets.value_names().to_vec()).unwrap_or_default(),
            parts: parts.iter().map(planned).collect::<Result<_>>()?,
        })
    }

    /// What differs, in words.
    fn differences(&self, other: &Self) -> Vec<String> {
        let [here, there] = [self, other].map(|plan| serde_json::to_value(plan).unwrap_or_default());
        let (Value::Object(here), Value::Object(there)) = (here, there) else { return vec![] };
        let differ = here.iter().filter(|(key, value)| there.get(*key) != Some(value));
        differ
            .map(|(key, value)| match (value, there.get(key)) {
                (Value::Array(_) | Value::Object(_), _) | (_, None) => format!("other {key}"),
                (value, Some(other)) => format!("{key} is {other} there and {value} here"),
            })
            .collect()
    }
}

/// What the file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ledger {
    /// What is packed, and how.
    pub plan: Plan,
    /// The shards that are whole, part by part in their order.
    pub shards: Vec<ShardRecord>,
    /// Images that couldn't be read.
    pub left_out: Vec<LeftOut>,
    /// The parts whose shards are all there.
    pub finished: Vec<String>,
}

/// A whole shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// `train` or `test`.
    pub part: String,
    /// Its number in the part, from 0.
    pub number: usize,
    /// The file's name.
    pub file: String,
    /// Where the next shard's samples begin, in the order of packing.
    pub end: usize,
    /// How many samples it has.
    pub samples: usize,
    /// Its length.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: String,
    /// A sum over sizes and times of writing of the image files that it was packed of, with those that were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<String>,
}

/// What is told of shards in a folder where packing was stopped before its end.
pub(crate) fn unfinished(folder: &Path) -> Option<String> {
    let ledger: Ledger = serde_json::from_slice(&std::fs::read(folder.join(LEDGER)).ok()?).ok()?;
    let lacking: Vec<&str> = ledger.plan.parts.iter().map(|part| part.part.as_str()).collect();
    let lacking: Vec<&str> =
        lacking.into_iter().filter(|part| ledger.finished.iter().all(|whole| whole != part)).collect();
    (!lacking.is_empty()).then(|| {
        let parts = lacking.join(" and ");
        let are = if lacking.len() == 1 { "isn't" } else { "aren't" };
        format!(
            "warning: packing into {} was stopped, and {parts} {are} whole; do it again to go on",
            folder.display()
        )
    })
}

/// An image that couldn't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// `train` or `test`.
    pub part: String,
    /// Its place in the order of packing.
    pub position: usize,
    /// Where it is, and what is wrong with it.
    pub why: String,
}

impl Ledger {
    /// The list in a folder, if it is of this plan; a new one in a folder that has nothing else.
    ///
    /// # Errors
    /// A folder with other files, or with shards of another plan.
    pub(super) fn open(folder: &Path, plan: Plan) -> Result<Self> {
        let path = folder.join(LEDGER);
        if !path.exists() {
            if let Some(stranger) = stranger(folder)? {
                return Err(Error::user(format!("the folder isn't empty: it has `{stranger}`"))
                    .at(folder.display())
                    .help("give --out a new folder"));
            }
            let mut ledger = Self { plan, shards: vec![], left_out: vec![], finished: vec![] };
            ledger.write(folder)?;
            return Ok(ledger);
        }
        let ledger: Self = serde_json::from_slice(&palimpsest_core::stored::read(&path)?).map_err(|e| {
            Error::user(format!("not a list of shards: {e}"))
                .at(path.display())
                .help("give --out a new folder")
        })?;
        if ledger.plan != plan {
            let differences = plan.differences(&ledger.plan).join(", ");
            return Err(Error::user(format!(
                "the folder has shards of other data or options: {differences}"
            ))
            .at(folder.display())
            .help("give what it was begun with to go on, or --out another folder"));
        }
        Ok(ledger)
    }

    /// Keeps the shards that are still as they were written, and whose image files haven't `changed` (told by a shard and the
    /// place of its first sample), up to the first of each part that isn't; tells which that is, and removes it and those
    /// behind it.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub(super) fn keep_whole(
        &mut self,
        folder: &Path,
        changed: &(dyn Fn(&ShardRecord, usize) -> Option<Option<PathBuf>> + Sync),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<String>> {
        let all = self.shards.len();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let format = self.plan.format;
        let starts: Vec<usize> = (0..all)
            .map(|at| match at.checked_sub(1).map(|before| &self.shards[before]) {
                Some(before) if before.part == self.shards[at].part => before.end,
                _ => 0,
            })
            .collect();
        let fates: Vec<Fate> = self
            .shards
            .par_iter()
            .zip(starts)
            .map(|(shard, start)| {
                // A process may have been killed while it gave the shards of a part their names.
                let of = self.shards.iter().filter(|other| other.part == shard.part).count();
                let names = [shard.file.clone(), file_name(format, &shard.part, shard.number, Some(of))];
                let whole = names.iter().any(|name| is_whole(&folder.join(name), shard));
                let fate = match whole {
                    true => changed(shard, start).map_or(Fate::Kept, Fate::Outdated),
                    false => Fate::Lost,
                };
                progress(done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, all);
                fate
            })
            .collect();
        let counts: Vec<usize> = (self.plan.parts.iter())
            .map(|planned| self.shards.iter().filter(|shard| shard.part == planned.part).count())
            .collect();
        let mut notes = vec![];
        let mut kept: Vec<ShardRecord> = vec![];
        let (mut ended, mut dropped): (Vec<String>, Vec<ShardRecord>) = (vec![], vec![]);
        for (shard, fate) in std::mem::take(&mut self.shards).into_iter().zip(fates) {
            if ended.contains(&shard.part) {
                dropped.push(shard);
                continue;
            }
            let path = folder.join(&shard.file);
            let again = "packed again with those behind it";
            let note = match fate {
                Fate::Kept => {
                    kept.push(shard);
                    continue;
                }
                Fate::Lost => format!("{} is gone or has changed, and is {again}", path.display()),
                Fate::Outdated(last) => format!(
                    "the image files of {} have changed since it was packed{}; it is {again}",
                    path.display(),
                    last.map_or_else(String::new, |last| format!(
                        " (of them {} was written last)",
                        last.display()
                    ))
                ),
            };
            notes.push(note);
            ended.push(shard.part.clone());
            dropped.push(shard);
        }
        self.finished.retain(|part| !ended.contains(part));
        self.shards = kept;
        let ends: Vec<(String, usize)> =
            self.plan.parts.iter().map(|p| (p.part.clone(), self.next(&p.part).1)).collect();
        let finished = self.finished.clone();
        self.left_out.retain(|left| {
            finished.contains(&left.part)
                || ends.iter().any(|(part, end)| *part == left.part && left.position < *end)
        });
        if !dropped.is_empty() {
            // The list first: it never has a shard that isn't there.
            self.write(folder)?;
        }
        for shard in dropped {
            // There may be fewer now, and one that stayed would be read.
            let place = self.plan.parts.iter().position(|planned| planned.part == shard.part);
            let last = file_name(format, &shard.part, shard.number, place.map(|place| counts[place]));
            for name in [shard.file, last] {
                match std::fs::remove_file(folder.join(name)) {
                    Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io(folder, &e)),
                    _ => {}
                }
            }
        }
        Ok(notes)
    }

    /// The number of the next shard of a part, and the position of its first sample.
    pub(super) fn next(&self, part: &str) -> (usize, usize) {
        let last = self.shards.iter().rfind(|shard| shard.part == part);
        last.map_or((0, 0), |shard| (shard.number + 1, shard.end))
    }

    /// Gives the shards of a part that is whole their last names.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub(super) fn name_shards(&mut self, folder: &Path, part: &str) -> Result<()> {
        let format = self.plan.format;
        let of = self.shards.iter().filter(|shard| shard.part == part).count();
        for shard in self.shards.iter_mut().filter(|shard| shard.part == part) {
            let name = file_name(format, part, shard.number, Some(of));
            let from = folder.join(&shard.file);
            if name != shard.file && from.exists() {
                std::fs::rename(&from, folder.join(&name)).map_err(|e| Error::io(&from, &e))?;
            }
            shard.file = name;
        }
        Ok(())
    }

    /// # Errors
    /// A folder that can't be written.
    pub(super) fn write(&mut self, folder: &Path) -> Result<()> {
        // Parts in their order, whichever was packed again.
        let parts = &self.plan.parts;
        let place = |part: &str| parts.iter().position(|planned| planned.part == part);
        self.shards.sort_by_key(|shard| (place(&shard.part), shard.number));
        self.left_out.sort_by_key(|left| (place(&left.part), left.position));
        self.finished.sort_by_key(|part| place(part));
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::failure(e.to_string()))?;
        write_atomically(&folder.join(LEDGER), format!("{text}\n").as_bytes())
    }
}

/// What becomes of a shard of an earlier try.
enum Fate {
    Kept,
    /// It is gone, or isn't what was written.
    Lost,
    /// It is of image files that have changed since.
    Outdated(Option<PathBuf>),
}

fn is_whole(path: &Path, shard: &ShardRecord) -> bool {
    let check = || -> std::io::Result<bool> {
        let file = std::fs::File::open(path)?;
        Ok(file.metadata()?.len() == shard.bytes && file_sum(file)? == shard.sha256)
    };
    check().unwrap_or(false)
}

/// The name of a file in the folder that packing didn't make.
fn stranger(folder: &Path) -> Result<Option<String>> {
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
        let name = entry.map_err(|e| Error::io(folder, &e))?.file_name().to_string_lossy().into_owned();
        if name != super::packing::LOCK && !(name.starts_with(LEDGER) && name.ends_with(".tmp")) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

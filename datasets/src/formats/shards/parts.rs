//! Which part a shard belongs to: told by its name (`train-000000.tar`, `validation-00000-of-00014.parquet`), or by the
//! folder that it lies in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::error::listed;
use palimpsest_core::{Error, Result};

use super::ShardFiles;
use crate::part_names::{NamedParts, PartKind};
use crate::reader::Opened;
use crate::spec::DataSpec;
use crate::split::{Split, Subset, held_out};

/// What the part of a shard is called: the last word of its name that is a part's, else that of the nearest folder
/// below `root`.
fn part_name(root: &Path, file: &Path) -> Option<String> {
    let below = file.strip_prefix(root).unwrap_or(file);
    below.iter().rev().map(|part| part.to_string_lossy()).find_map(|part| {
        let mut words = part.split(['-', '_', '.']).rev();
        words.find(|word| PartKind::of_name(word).is_some()).map(str::to_owned)
    })
}

/// The shards of each part, in the order of the shards.
struct Groups {
    by_name: Vec<(String, Vec<PathBuf>)>,
    others: Vec<PathBuf>,
}

impl Groups {
    fn of(shards: &ShardFiles) -> Self {
        let mut groups = Self { by_name: Vec::new(), others: Vec::new() };
        for file in &shards.files {
            let Some(name) = part_name(&shards.root, file) else {
                groups.others.push(file.clone());
                continue;
            };
            match groups.by_name.iter_mut().find(|(known, _)| *known == name) {
                Some((_, files)) => files.push(file.clone()),
                None => groups.by_name.push((name, vec![file.clone()])),
            }
        }
        groups
    }

    /// The parts that may serve as one, the first before the others.
    fn candidates(&self, split: Split) -> Vec<&(String, Vec<PathBuf>)> {
        let mut names: Vec<String> = self.by_name.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        let named = NamedParts::of(names);
        let order: Vec<&str> = named.candidates(split).collect();
        order.iter().filter_map(|name| self.by_name.iter().find(|(own, _)| own == name)).collect()
    }
}

/// A part of shards as it was opened.
pub(crate) struct ShardPart<D> {
    pub(crate) data: D,
    /// The samples that belong to it; none for all.
    pub(crate) rows: Option<Vec<u32>>,
    pub(crate) notes: Vec<String>,
    pub(crate) name: String,
}

/// How shards are opened.
pub(crate) struct Opening<O, K, H> {
    /// Opens some as one data set, and tells what the user may want to know.
    pub(crate) open: O,
    /// What names a sample where a part must be held out.
    pub(crate) key: K,
    /// Whether anything is known of what is to be measured.
    pub(crate) has_targets: H,
}

impl<D: Dataset + 'static> ShardPart<D> {
    /// Its images.
    pub(crate) fn opened(self) -> Opened {
        let Self { data, rows, notes, name } = self;
        let data: Arc<dyn Dataset> = Arc::new(data);
        let data = match rows {
            Some(rows) => Arc::new(Subset::new(data, rows)),
            None => data,
        };
        Opened::new(data).notes(notes).part(name)
    }
}

/// A part of shards.
///
/// # Errors
/// What [`Opening::open`] refuses; parts for testing alone.
pub(crate) fn find_part<D: Dataset>(
    shards: ShardFiles,
    spec: &DataSpec,
    split: Split,
    Opening { open, key, has_targets }: Opening<
        impl Fn(&[PathBuf]) -> Result<(D, Vec<String>)>,
        impl Fn(&D, usize) -> String,
        impl Fn(&D) -> bool,
    >,
) -> Result<ShardPart<D>> {
    let groups = Groups::of(&shards);
    let (trains, tests) = (groups.candidates(Split::Train), groups.candidates(Split::Test));
    let whole = |files: &[PathBuf], note: Option<String>| -> Result<ShardPart<D>> {
        let (data, more) = open(files)?;
        let rows = (0..data.len() as u32).collect();
        let held = held_out(rows, spec, split, |&row| key(&data, row as usize))?;
        let notes = held.note.into_iter().chain(note).chain(more).collect();
        let rows = held.part.is_some().then_some(held.items);
        Ok(ShardPart { data, rows, notes, name: held.part.unwrap_or_default() })
    };
    let mut part = match (&trains[..], &tests[..]) {
        ([], []) => {
            let mut part = whole(&shards.files, None)?;
            part.notes.extend(shards.notes);
            return Ok(part);
        }
        ([only, ..], []) => whole(&only.1, Some(format!("the only part is `{}`", only.0)))?,
        ([], [only]) => whole(&only.1, Some(format!("the only part is `{}`", only.0)))?,
        ([], tests) => {
            let names: Vec<&str> = tests.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::user(format!("there are {} but no training part", names.join(" and ")))
                .at(shards.root.display())
                .help("give the shards of one part alone, or name those to train on `train-…`"));
        }
        ([train, ..], tests) => {
            let (name, files) = if split == Split::Train { *train } else { tests[0] };
            let (mut data, mut notes) = open(files)?;
            let mut part = name;
            if split == Split::Test && !has_targets(&data) {
                // As where labels are withheld: then validation is the test part.
                for (name, files) in &tests[1..] {
                    let (other, others) = open(files)?;
                    if has_targets(&other) {
                        (data, notes, part) = (other, others, name);
                        break;
                    }
                }
            }
            ShardPart { data, rows: None, notes, name: part.clone() }
        }
    };
    let others: Vec<String> = groups.others.iter().map(|file| super::name_of(file)).collect();
    let others = (!others.is_empty()).then(|| format!("beside the parts, {} is not read", listed(&others)));
    let more = (trains.len() > 1).then(|| {
        let names: Vec<&str> = trains.iter().map(|(name, _)| name.as_str()).collect();
        format!("of {}, {} is trained on", names.join(" and "), names[0])
    });
    part.notes.extend(others.into_iter().chain(more).chain(missing(&shards.files)).chain(shards.notes));
    Ok(part)
}

/// What is missing of shards that tell their number: of `train-00000-of-00003`, or between `train-000003` and `train-000010`.
fn missing(files: &[PathBuf]) -> Vec<String> {
    let mut rows: BTreeMap<(PathBuf, String), (BTreeSet<u64>, Option<u64>)> = BTreeMap::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let words: Vec<&str> = name.split('-').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        let of = words.iter().position(|word| *word == "of").filter(|&at| at > 0);
        let (at, count) = match of {
            Some(at) => (at - 1, number(at + 1)),
            None => (words.len() - 1, None),
        };
        let Some(own) = number(at) else { continue };
        let row = (file.parent().unwrap_or(Path::new("")).to_owned(), words[..at].join("-"));
        let (numbers, counted) = rows.entry(row).or_default();
        numbers.insert(own);
        *counted = count.or(*counted);
    }
    let told = |((_, name), (numbers, count)): ((PathBuf, String), (BTreeSet<u64>, Option<u64>))| {
        let (first, last) = (*numbers.first()?, *numbers.last()?);
        let due = count.unwrap_or(last - first + 1);
        let lacking = due.saturating_sub(numbers.len() as u64);
        let name = if name.is_empty() { "the shards".to_owned() } else { format!("the shards `{name}-…`") };
        (lacking > 0).then(|| format!("warning: {lacking} of {due} of {name} are missing, by their numbers"))
    };
    rows.into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_shards_are_told_by_their_numbers() {
        let of = |files: &[&str]| missing(&files.iter().map(PathBuf::from).collect::<Vec<_>>()).join("; ");
        assert_eq!(of(&["a/train-000000.tar", "a/train-000001.tar", "a/test-000000.tar", "a/x.tar"]), "");
        assert_eq!(
            of(&["a/train-000000.tar", "a/train-000003.tar"]),
            "warning: 2 of 4 of the shards `train-…` are missing, by their numbers"
        );
        assert_eq!(
            of(&["train-00000-of-00003.parquet"]),
            "warning: 2 of 3 of the shards `train-…` are missing, by their numbers"
        );
        assert_eq!(of(&["train-00000-of-00001-a09b74b3ef9c3b56.parquet"]), "");
    }

    #[test]
    fn parts_are_told_by_names_and_folders() {
        let of = |file: &str| part_name(Path::new("/train/set"), Path::new(file)).unwrap_or_default();
        for (file, part) in [
            ("/train/set/train-000000.tar", "train"),
            ("/train/set/imagenet1k-validation-00.tar", "validation"),
            ("/train/set/train-00000-of-00008.parquet", "train"),
            ("/train/set/data/train-00000-of-00001-a09b74b3ef9c3b56.parquet", "train"),
            ("/train/set/val/000.tar", "val"),
            ("/train/set/default/test/0000.parquet", "test"),
            ("/train/set/000.tar", ""),
            ("/train/set/training_data.tar", "training"),
        ] {
            assert_eq!(of(file), part, "{file}");
        }
    }
}

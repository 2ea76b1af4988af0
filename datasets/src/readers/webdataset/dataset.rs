//! The samples of tar shards by their number.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::head::counted;
use palimpsest_core::kept_open::KeptOpen;
use palimpsest_core::{Error, Result};
use rayon::prelude::*;

use super::TarKeys;
use super::index::{Check, is_of, tables_of};
use super::members::Members;
use super::table::{Fault, RemarkKind, ShardTable, UNLABELLED};
use crate::decode::{DecodeOptions, decode, is_image};
use crate::formats::shards::class_names::classes_of;
use crate::formats::shown::shown;
use palimpsest_core::positioned::read_exact_at;
use palimpsest_core::shell::quoted;

/// Samples of tar shards in the order of their keys, compared as a folder of their images would be sorted: so how they
/// are cut into shards decides nothing. Samples of one key stay in the order of the shards.
pub struct TarShards {
    shards: Vec<Shard>,
    /// The number of the first sample of each shard.
    starts: Vec<u32>,
    /// Which of the stored samples each one is; none where they are stored in order.
    order: Option<Vec<u32>>,
    classes: Vec<String>,
    /// The suffixes of images.
    images: Vec<String>,
    options: DecodeOptions,
}

struct Shard {
    file: KeptOpen,
    table: Arc<ShardTable>,
    /// The class of each of the table's names of labels.
    classes: Vec<u32>,
}

impl TarShards {
    /// Opens shards, and tells what the user may want to know.
    ///
    /// # Errors
    /// A shard that can't be read, no sample with an image, a label that is none of the given classes.
    pub(super) fn open(
        files: &[PathBuf],
        members: &Members,
        keys: &TarKeys,
        options: DecodeOptions,
    ) -> Result<(Self, Vec<String>)> {
        let check = if keys.verify { Check::Bytes } else { Check::State };
        let (tables, mut notes) = tables_of(files, members, check)?;
        let samples: usize = tables.iter().map(|table| table.len()).sum();
        if samples == 0 {
            return Err(nothing_found(files, members, &tables));
        }
        if u32::try_from(samples).is_err() {
            return Err(
                Error::user(format!("{samples} samples are more than 4 billion")).help("open fewer shards")
            );
        }
        let (classes, shards) = {
            let texts = tables.iter().flat_map(|table| table.label_names.iter().map(String::as_str));
            let (classes, labels) = classes_of(texts, &keys.classes)?;
            let shards: Vec<Shard> = files
                .iter()
                .zip(&tables)
                .map(|(path, table)| Shard {
                    file: KeptOpen::new(path),
                    table: table.clone(),
                    classes: table.label_names.iter().map(|name| labels[name.as_str()]).collect(),
                })
                .collect();
            // Names that none of these samples has are none of its classes, unless they were given.
            (if labels.is_empty() { Vec::new() } else { classes }, shards)
        };
        notes.extend(remarks(&shards));
        if let Some(label) = members.label.as_ref().filter(|_| classes.is_empty()) {
            notes.push(format!(
                "no sample has a label in `{}`, so there are no classes; members are called {}",
                label.suffix,
                seen(&tables)
            ));
        }
        let mut starts = Vec::with_capacity(shards.len());
        let mut next = 0;
        for shard in &shards {
            starts.push(next);
            next += shard.table.len() as u32;
        }
        let images = members.images.clone();
        let mut data = Self { shards, starts, order: None, classes, images, options };
        data.order = data.sorted(next);
        Ok((data, notes))
    }

    /// The order of the samples, unless they are stored in it.
    fn sorted(&self, samples: u32) -> Option<Vec<u32>> {
        let key = |stored: u32| {
            let (shard, at) = self.stored_at(stored);
            (shard.table.key(at), self.images[usize::from(shard.table.suffixes[at])].as_str())
        };
        if (1..samples).all(|stored| by_path(key(stored - 1), key(stored)) != Ordering::Greater) {
            return None;
        }
        let mut order: Vec<u32> = (0..samples).collect();
        order.par_sort_by(|&a, &b| by_path(key(a), key(b)));
        Some(order)
    }

    fn stored_at(&self, stored: u32) -> (&Shard, usize) {
        // Shards without samples have the start of the next one.
        let shard = self.starts.partition_point(|&start| start <= stored) - 1;
        (&self.shards[shard], (stored - self.starts[shard]) as usize)
    }

    fn sample(&self, index: usize) -> (&Shard, usize) {
        let stored = self.order.as_ref().map_or(index as u32, |order| order[index]);
        self.stored_at(stored)
    }

    /// The path that the image would have in a folder: its key for a held-out part.
    pub(super) fn key(&self, index: usize) -> String {
        let (shard, at) = self.sample(index);
        let suffix = &self.images[usize::from(shard.table.suffixes[at])];
        format!("{}.{suffix}", shard.table.key(at))
    }

    fn bytes(&self, shard: &Shard, at: usize) -> Result<Vec<u8>> {
        let table = &shard.table;
        if let Some(fault) = table.fault(at) {
            return Err(faulty(fault));
        }
        let (offset, length) = (table.offsets[at], u64::from(table.lengths[at]));
        let most = self.options.max_pixels.saturating_mul(8).saturating_add(64 << 20);
        if length > most {
            return Err(Error::user(format!("{length} bytes are too many for an image"))
                .help("leave the sample out, or raise `max_pixels`"));
        }
        let file = shard.file.get().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::user("the shard is gone since the data were opened")
                .help("copy it back, then go on with `resume`"),
            _ => Error::failure(format!("the shard can't be opened: {e}")),
        })?;
        let unreadable = |e: std::io::Error| Error::failure(format!("the shard can't be read: {e}"));
        if !is_of(table, &file.metadata().map_err(unreadable)?) {
            return Err(Error::user("the shard has changed since the data were opened")
                .help("start again: it is indexed anew"));
        }
        let mut bytes = vec![0; length as usize];
        read_exact_at(&file, &mut bytes, offset).map_err(unreadable)?;
        Ok(bytes)
    }
}

/// Compares paths part by part, as a folder is walked: `a/b` is before `a-b`, since `a` is.
fn by_path(a: (&str, &str), b: (&str, &str)) -> Ordering {
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    let differ = a.0.bytes().zip(b.0.bytes()).find(|(a, b)| a != b);
    differ.map_or_else(
        // Of two keys that begin alike, the end of the shorter one is the dot before its suffix.
        || {
            let ranks = |(key, suffix)| [key, ".", suffix].concat().bytes().map(rank).collect::<Vec<u8>>();
            ranks(a).cmp(&ranks(b))
        },
        |(a, b)| rank(a).cmp(&rank(b)),
    )
}

fn faulty(fault: Fault) -> Error {
    match fault {
        Fault::Truncated => {
            Error::user("the shard is truncated: it ends within this image").help("copy the shard again")
        }
        Fault::Twice => Error::user("the sample has two members of one name")
            .help("write the shard anew, with a key of its own for each sample"),
        Fault::Sparse => Error::user("the image is stored as a sparse file, in pieces")
            .help("unpack the shard and pack it again without tar's --sparse"),
        Fault::TooLarge => Error::user("the image has 4 GiB or more").help("leave the sample out"),
    }
}

/// What indexing found, over all shards; a shard that ends early is named.
fn remarks(shards: &[Shard]) -> Vec<String> {
    let mut notes = Vec::new();
    for kind in RemarkKind::ALL {
        let all = || {
            shards.iter().flat_map(|shard| {
                let own = shard.table.remarks.iter().filter(move |remark| remark.kind == kind);
                own.map(move |remark| (shard, remark))
            })
        };
        let Some((shard, first)) = all().next() else { continue };
        let count: usize = all().map(|(_, remark)| remark.count as usize).sum();
        let place = format!("{}, {}", shard.file.path().display(), shown(&first.first));
        match kind {
            RemarkKind::WithoutImage => {
                let samples = counted(count, "sample without an image was", "samples without an image were");
                notes.push(format!("{samples} passed over, the first is {place}"));
            }
            RemarkKind::UnreadableLabel => {
                let labels = counted(count, "label can't be read", "labels can't be read");
                notes.push(format!("{labels}, and count as none; the first is {place}"));
            }
            RemarkKind::Missing => notes.extend(all().map(|(shard, remark)| {
                let ShardTable { name, .. } = &*shard.table;
                format!("warning: {} of {} samples of {name} are missing", remark.count, shard.table.due())
            })),
            RemarkKind::EndsEarly | RemarkKind::NoEndMark => {
                let why = if kind == RemarkKind::EndsEarly {
                    "is truncated or damaged behind"
                } else {
                    "has no end mark, as if it had been cut behind"
                };
                notes.extend(all().map(|(shard, remark)| {
                    format!("{} {why} `{}`; copy it again", shard.file.path().display(), shown(&remark.first))
                }));
            }
        }
    }
    let faults: usize = shards.iter().map(|shard| shard.table.faults.len()).sum();
    let first = shards.iter().find_map(|shard| Some((shard, shard.table.faults.first()?.0)));
    if let Some((shard, at)) = first {
        let samples = counted(faults, "sample can't be loaded", "samples can't be loaded");
        let key = shown(shard.table.key(at as usize));
        notes.push(format!("{samples}, the first is {}, {key}", shard.file.path().display()));
    }
    notes
}

fn seen(tables: &[Arc<ShardTable>]) -> String {
    let names: std::collections::BTreeSet<&str> =
        tables.iter().flat_map(|table| table.seen.iter().map(String::as_str)).take(1000).collect();
    palimpsest_core::error::listed(&names.into_iter().map(shown).collect::<Vec<_>>())
}

fn nothing_found(files: &[PathBuf], members: &Members, tables: &[Arc<ShardTable>]) -> Error {
    let place = files.first().map_or(Path::new(""), PathBuf::as_path);
    let seen = seen(tables);
    let (what, help) = if seen.is_empty() {
        ("no samples".to_owned(), "members need a key, a dot and a suffix: cat/0001.jpg".to_owned())
    } else {
        (
            format!("no images called *.{}", members.images.join(", *.")),
            match example(tables) {
                Some(image) => {
                    format!(
                        "the members are called {seen}: name the images', as data.reader.image={}",
                        quoted(&image)
                    )
                }
                None => format!(
                    "the members are called {seen}, none of them like an image: give shards of images"
                ),
            },
        )
    };
    let more = if files.len() > 1 { format!(" and {} more", files.len() - 1) } else { String::new() };
    Error::user(what).at(format_args!("{}{more}", place.display())).help(help)
}

/// A suffix of the shards that looks like an image's: `input.jpg` by its last ending. One that no sample's name contradicts
/// is taken where none does.
fn example(tables: &[Arc<ShardTable>]) -> Option<String> {
    let seen = || tables.iter().flat_map(|table| table.seen.iter());
    let other = |suffix: &&String| {
        let known = ["cls", "json", "txt", "id", "index"];
        known.iter().all(|known| suffix.rsplit('.').next() != Some(*known))
    };
    let image = seen().find(|suffix| is_image(Path::new(&format!("x.{suffix}"))));
    image.or_else(|| seen().find(other)).cloned()
}

impl Dataset for TarShards {
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.table.len()).sum()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        let (shard, at) = self.sample(index);
        match shard.table.labels[at] {
            UNLABELLED => None,
            label => Some(shard.classes[label as usize]),
        }
    }
    fn load(&self, index: usize) -> Result<Image> {
        let (shard, at) = self.sample(index);
        let image = self.bytes(shard, at).and_then(|bytes| decode(&bytes, self.options));
        image.map_err(|e| e.at(self.location(index)))
    }
    fn location(&self, index: usize) -> String {
        format!("{}, {}", self.sample(index).0.file.path().display(), self.key(index))
    }
    fn name(&self, index: usize) -> Option<String> {
        Some(self.key(index))
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        let (shard, at) = self.sample(index);
        // A faulty one is told by `load`.
        shard.table.fault(at).is_none().then(|| Encoded::Piece {
            file: shard.file.path().to_owned(),
            offset: shard.table.offsets[at],
            length: u64::from(shard.table.lengths[at]),
        })
    }
}

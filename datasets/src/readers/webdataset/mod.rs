//! Shards of WebDataset: tar files whose members of one key, up to the first dot of their names, are a sample.
//!
//! Nothing is streamed. All shards are indexed once, by their headers: where each image lies, its key and its label. From
//! then on a sample is one read at a place, so that the order of an epoch, a resumed run and any number of processes are
//! as exact as with loose files.

mod dataset;
mod found;
mod index;
mod indexing;
mod kept;
mod members;
mod scan;
mod table;
mod targets;
mod window;

use std::path::{Path, PathBuf};

pub use dataset::TarShards;
use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};

use self::members::{Form, Members};
use crate::formats::shards::ShardFiles;
use crate::formats::shards::parts::{Opening, ShardPart, find_part};
use crate::pack::unfinished;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

palimpsest_core::settings! {
    /// `[data.reader]` of `webdataset`.
    pub struct TarKeys {
        /// The suffixes of images, separated by semicolons: of those that a sample has, the first is taken.
        image: String = "jpg;jpeg;png;webp;tif;tiff;npy".to_owned();
        /// The suffix of labels (`cls`), the place of the label in a member of JSON (`json:path.to.label`), or "" for none.
        label: String = "cls".to_owned();
        /// The names of the classes, in the order of the labels; [] for those of a classes.txt beside the shards, or else the labels
        /// that occur, numbers by their value.
        classes: Vec<String> = Vec::new();
        /// The place of the list of a sample's labels in a member of JSON (`json:tags`), for heads on several labels.
        label_list: String = String::new();
        /// The names of those labels, in their order; [] for those that occur, sorted.
        labels: Vec<String> = Vec::new();
        /// The places of numbers in a member of JSON (["json:age", "json:weight"]), for heads on numbers.
        values: Vec<String> = Vec::new();
        /// Whether all bytes of the shards are compared with the checksums of a pack.json beside them, or else with those of the first
        /// time, and not size and time of writing alone.
        verify: bool = false;
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

/// The file of class names beside the shards, one a line in the order of the labels.
const CLASSES: &str = "classes.txt";

/// # Errors
/// A file of names that can't be read.
fn named_classes(root: &Path) -> Result<Option<Vec<String>>> {
    let path = root.join(CLASSES);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, &e))?;
    Ok(Some(text.lines().map(str::to_owned).collect()))
}

/// `webdataset`
pub struct WebDataset;

impl Reader for WebDataset {
    type Settings = TarKeys;

    fn open(keys: &TarKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        let members = Members::of(&keys.image, &keys.label).map_err(|e| e.at("`data.reader.image`"))?;
        let has_classes = |data: &TarShards| !data.classes().is_empty();
        let opened = part(keys, spec, split, &members, has_classes)?;
        // By default labels may be there or not; one who names them means some.
        if split == Split::Train
            && opened.data.classes().is_empty()
            && spec.reader.table().contains_key("label")
        {
            found::check(spec, &keys.label, "label")?;
        }
        Ok(opened.opened())
    }
}

/// A part of the shards, of whose samples `members` are read; `has_targets` tells whether anything is known of what is to
/// be measured.
fn part(
    keys: &TarKeys,
    spec: &DataSpec,
    split: Split,
    members: &Members,
    has_targets: impl Fn(&TarShards) -> bool,
) -> Result<ShardPart<TarShards>> {
    let shards = ShardFiles::find(spec.path()?, "tar")?;
    let options = spec.decode(keys.max_pixels);
    // Numbers may have names beside them, as `data pack` writes them.
    let named = match &*keys.classes {
        [] if members.label.as_ref().is_some_and(|label| label.form == Form::Text) => {
            named_classes(&shards.root)?
        }
        _ => None,
    };
    let stopped = unfinished(&shards.root);
    let note = named.as_ref().map(|_| format!("the classes are named by {CLASSES}"));
    let keys = &TarKeys { classes: named.unwrap_or_else(|| keys.classes.clone()), ..keys.clone() };
    let opening = Opening {
        open: |files: &[PathBuf]| TarShards::open(files, members, keys, options),
        key: TarShards::key,
        has_targets,
    };
    let mut part = find_part(shards, spec, split, opening)?;
    part.notes.extend(note.into_iter().chain(stopped));
    Ok(part)
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<WebDataset>(
        "webdataset",
        "tar shards as WebDataset writes them, indexed once and then read at any place",
        "a folder of *.tar; a pattern as '{train,val}-{000..146}.tar'; or a text file with a shard a line. Parts are told by the shards' names or folders",
    ).with_label_sets::<WebDataset>().with_values::<WebDataset>()
}

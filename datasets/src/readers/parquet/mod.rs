//! Parquet files as Hugging Face's `datasets` writes them, each image read by itself.
//!
//! Samples are in the order of the files, by their paths, and of their rows.

mod classes;
mod rows;
mod targets;

use std::path::PathBuf;

use palimpsest_core::Result;
pub use rows::ParquetRows;

use self::targets::Wanted;
use crate::formats::shards::ShardFiles;
use crate::formats::shards::parts::{Opening, ShardPart, find_part};
use crate::pack::unfinished;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// What `label` is unless it is given.
const LABEL: &str = "label";

palimpsest_core::settings! {
    /// `[data.reader]` of `parquet`.
    pub struct ParquetKeys {
        /// The column of images.
        image: String = "image".to_owned();
        /// The column of labels, whole numbers or texts; "" for none.
        label: String = LABEL.to_owned();
        /// The names of the classes, in the order of the labels; [] for those of the file's metadata, or the labels that occur.
        classes: Vec<String> = Vec::new();
        /// A column with a list of all labels that an image has, numbers or texts, for heads on several labels; an empty list
        /// for an image that has none, and null where they aren't known.
        label_list_column: String = String::new();
        /// The names of the labels of such lists, in the order of their numbers; [] for those of the file's metadata, or the
        /// texts that occur.
        labels: Vec<String> = Vec::new();
        /// Columns of numbers, for heads on numbers; null and NaN are missing.
        value_columns: Vec<String> = Vec::new();
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

/// `parquet`
pub struct Parquet;

impl Reader for Parquet {
    type Settings = ParquetKeys;

    fn open(keys: &ParquetKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        let part = part(keys, spec, split, Wanted::Class)?;
        // By default labels may be there or not; one who names them means some.
        if split == Split::Train && spec.reader.table().contains_key("label") {
            part.data.check_label(&keys.label)?;
        }
        Ok(part.opened())
    }
}

/// A part of the files, opened for something.
fn part(keys: &ParquetKeys, spec: &DataSpec, split: Split, wanted: Wanted) -> Result<ShardPart<ParquetRows>> {
    let shards = ShardFiles::find(spec.path()?, "parquet")?;
    let options = spec.decode(keys.max_pixels);
    let note = unfinished(&shards.root);
    let opening = Opening {
        open: |files: &[PathBuf]| ParquetRows::open(files, keys, options, wanted),
        key: ParquetRows::key,
        has_targets: |data: &ParquetRows| data.knows(wanted),
    };
    let mut part = find_part(shards, spec, split, opening)?;
    part.notes.extend(note);
    Ok(part)
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Parquet>(
        "parquet",
        "Parquet files of images as Hugging Face's datasets writes them, read at any row",
        "a folder of *.parquet, as {train,validation,test}-00000-of-00008.parquet or in folders so called; one file, a pattern or a list",
    ).with_label_sets::<Parquet>().with_values::<Parquet>()
}

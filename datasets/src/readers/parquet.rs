//! Parquet files as Hugging Face's `datasets` writes them, each image read by itself.
//!
//! Samples are in the order of the files, by their paths, and of their rows.

use std::path::PathBuf;
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::error::listed;
use palimpsest_core::{Error, Result};
use palimpsest_parquet::{ImageFile, Labels, PageCache, UNLABELLED};
use rayon::prelude::*;

use crate::decode::{DecodeOptions, decode};
use crate::formats::shards::ShardFiles;
use crate::formats::shards::class_names::classes_of;
use crate::formats::shards::parts::open_part;
use crate::pack::unfinished;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// Bytes of pages that stay decompressed, of codecs whose pages can't be entered in the middle.
const CACHE: usize = 256 << 20;

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
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

/// The rows of some files.
pub struct ParquetRows {
    files: Vec<Shard>,
    /// The number of the first row of each file.
    starts: Vec<usize>,
    rows: usize,
    classes: Vec<String>,
    options: DecodeOptions,
}

struct Shard {
    path: PathBuf,
    file: ImageFile,
    /// The class of each row; empty where there are none.
    labels: Vec<u32>,
}

impl ParquetRows {
    fn open(files: &[PathBuf], keys: &ParquetKeys, options: DecodeOptions) -> Result<(Self, Vec<String>)> {
        let cache = Arc::new(PageCache::new(CACHE));
        let opened: Vec<ImageFile> = files
            .par_iter()
            .map(|path| ImageFile::open(path, &keys.image, cache.clone()))
            .collect::<Result<_>>()?;
        let columns = opened[0].columns();
        let mut notes = Vec::new();
        let wanted = !keys.label.is_empty()
            && {
                let there = columns.contains(&keys.label) || keys.label.contains('.');
                if !there && keys.label == LABEL {
                    notes.push(format!(
                    "there is no column `{LABEL}`, so there are no classes; the columns are {}: data.reader.label=NAME",
                    listed(&columns)
                ));
                }
                there || keys.label != LABEL
            };
        let labels: Vec<Labels> = match wanted {
            true => opened.par_iter().map(|file| file.labels(&keys.label)).collect::<Result<_>>()?,
            false => vec![Labels::default(); opened.len()],
        };
        let told = opened[0].class_names(&keys.label).filter(|_| wanted);
        let other = opened.iter().position(|file| wanted && file.class_names(&keys.label) != told);
        if let Some(other) = other {
            return Err(Error::user(format!(
                "the classes of `{}` are others than those of {}",
                keys.label,
                files[0].display()
            ))
            .at(files[other].display())
            .help("open one set at a time: give the folder of one configuration"));
        }
        let (classes, labels) = match told {
            Some(told) => {
                let classes = if keys.classes.is_empty() { told } else { keys.classes.clone() };
                let numbered = files.iter().zip(labels).map(|(path, labels)| {
                    numbered(labels, &keys.label, classes.len()).map_err(|e| e.at(path.display()))
                });
                let numbered: Vec<Vec<u32>> = numbered.collect::<Result<_>>()?;
                // As the test parts of challenges have it: -1 alone.
                let any = numbered.iter().flatten().any(|&label| label != UNLABELLED);
                (if any { classes } else { Vec::new() }, numbered)
            }
            None => {
                let texts = labels.iter().flat_map(|labels| labels.texts.iter().map(String::as_str));
                let (classes, label_of) = classes_of(texts, &keys.classes)?;
                let of_texts = |labels: &Labels| -> Vec<u32> {
                    let own: Vec<u32> = labels.texts.iter().map(|text| label_of[text.as_str()]).collect();
                    labels
                        .rows
                        .iter()
                        .map(|&row| own.get(row as usize).copied().unwrap_or(UNLABELLED))
                        .collect()
                };
                (
                    if label_of.is_empty() { Vec::new() } else { classes },
                    labels.iter().map(of_texts).collect(),
                )
            }
        };
        let mut starts = Vec::with_capacity(files.len());
        let mut rows = 0;
        for file in &opened {
            starts.push(rows);
            rows += file.rows();
        }
        if rows == 0 || u32::try_from(rows).is_err() {
            let help = if rows == 0 { "copy the files again" } else { "open fewer files" };
            return Err(Error::user(format!("there are {rows} rows")).at(files[0].display()).help(help));
        }
        let files = files
            .iter()
            .zip(opened)
            .zip(labels)
            .map(|((path, file), labels)| Shard { path: path.clone(), file, labels })
            .collect();
        Ok((Self { files, starts, rows, classes, options }, notes))
    }

    fn row(&self, index: usize) -> (&Shard, usize) {
        // Files without rows have the start of the next one.
        let file = self.starts.partition_point(|&start| start <= index) - 1;
        (&self.files[file], index - self.starts[file])
    }

    /// What names a row for a held-out part: its file and its number.
    fn key(&self, index: usize) -> String {
        let (shard, row) = self.row(index);
        let name = shard.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}/{row}")
    }
}

/// Labels that are numbers of named classes; -1 is none.
fn numbered(labels: Labels, column: &str, classes: usize) -> Result<Vec<u32>> {
    let number = |text: &String| match text.parse::<i64>() {
        Ok(-1) => Ok(UNLABELLED),
        Ok(number) if usize::try_from(number).is_ok_and(|number| number < classes) => Ok(number as u32),
        _ => Err(Error::user(format!("`{column}` has {text}, and there are {classes} classes"))
            .help("labels are numbers of the classes, from 0; -1 is none")),
    };
    let own: Vec<u32> = labels.texts.iter().map(number).collect::<Result<_>>()?;
    Ok(labels.rows.iter().map(|&row| own.get(row as usize).copied().unwrap_or(UNLABELLED)).collect())
}

impl Dataset for ParquetRows {
    fn len(&self) -> usize {
        self.rows
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        let (shard, row) = self.row(index);
        shard.labels.get(row).copied().filter(|&label| label != UNLABELLED)
    }
    fn load(&self, index: usize) -> Result<Image> {
        let (shard, row) = self.row(index);
        let image = shard.file.bytes(row).and_then(|bytes| decode(&bytes, self.options));
        image.map_err(|e| e.at(self.location(index)))
    }
    fn location(&self, index: usize) -> String {
        let (shard, row) = self.row(index);
        format!("{}, row {row}", shard.path.display())
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        let (shard, row) = self.row(index);
        // What is wrong with a row is told by `load`.
        shard.file.bytes(row).ok().map(|bytes| Encoded::Bytes(bytes.to_vec()))
    }
}

/// `parquet`
pub struct Parquet;

impl Reader for Parquet {
    type Settings = ParquetKeys;

    fn open(keys: &ParquetKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        let shards = ShardFiles::find(spec.path()?, "parquet")?;
        let options = spec.decode(keys.max_pixels);
        let note = unfinished(&shards.root);
        let open = |files: &[PathBuf]| ParquetRows::open(files, keys, options);
        Ok(open_part(shards, spec, split, open, ParquetRows::key)?.notes(note))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Parquet>(
        "parquet",
        "Parquet files of images as Hugging Face's datasets writes them, read at any row",
        "a folder of *.parquet, as {train,validation,test}-00000-of-00008.parquet or in folders so called; one file, a pattern or a list",
    )
}

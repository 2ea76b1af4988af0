//! The rows of files by their number.

use std::path::PathBuf;
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};
use palimpsest_parquet::{ImageFile, PageCache, UNLABELLED};
use rayon::prelude::*;

use super::ParquetKeys;
use super::classes::Classes;
use super::targets::{Targets, Wanted};
use crate::decode::{DecodeOptions, decode};

/// Bytes of pages that stay decompressed, of codecs whose pages can't be entered in the middle.
const CACHE: usize = 256 << 20;

/// The rows of some files.
pub struct ParquetRows {
    files: Vec<Shard>,
    /// The number of the first row of each file.
    starts: Vec<usize>,
    rows: usize,
    classes: Vec<String>,
    targets: Targets,
    options: DecodeOptions,
}

struct Shard {
    path: PathBuf,
    file: ImageFile,
    /// The class of each row; empty where there are none.
    labels: Vec<u32>,
}

impl ParquetRows {
    /// Opens files, and tells what the user may want to know.
    ///
    /// # Errors
    /// A file that can't be read, a column that isn't there or of another type, files that don't go together.
    pub(super) fn open(
        files: &[PathBuf],
        keys: &ParquetKeys,
        options: DecodeOptions,
        wanted: Wanted,
    ) -> Result<(Self, Vec<String>)> {
        let cache = Arc::new(PageCache::new(CACHE));
        let opened: Vec<ImageFile> = files
            .par_iter()
            .map(|path| ImageFile::open(path, &keys.image, cache.clone()))
            .collect::<Result<_>>()?;
        let Classes { names: classes, rows: labels, note } = match wanted {
            Wanted::Class => Classes::read(files, &opened, keys)?,
            _ => Classes::none(files.len()),
        };
        let targets = Targets::read(files, &opened, keys, wanted)?;
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
        Ok((Self { files, starts, rows, classes, targets, options }, note.into_iter().collect()))
    }

    /// # Errors
    /// There is no such column of labels.
    pub(super) fn check_label(&self, column: &str) -> Result<()> {
        let columns = self.files[0].file.columns();
        if column.is_empty() || column.contains('.') || columns.iter().any(|own| own == column) {
            return Ok(());
        }
        let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        Err(unknown_name("column", column, columns).at("`data.reader.label`"))
    }

    /// Whether anything is known of what is wanted.
    pub(super) fn knows(&self, wanted: Wanted) -> bool {
        if wanted == Wanted::Class { !self.classes.is_empty() } else { self.targets.any() }
    }

    pub(super) fn targets(&self) -> &Targets {
        &self.targets
    }

    pub(super) fn take_targets(&mut self) -> Targets {
        std::mem::take(&mut self.targets)
    }

    fn row(&self, index: usize) -> (&Shard, usize) {
        // Files without rows have the start of the next one.
        let file = self.starts.partition_point(|&start| start <= index) - 1;
        (&self.files[file], index - self.starts[file])
    }

    /// What names a row for a held-out part: its file and its number.
    pub(super) fn key(&self, index: usize) -> String {
        let (shard, row) = self.row(index);
        let name = shard.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}/{row}")
    }
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

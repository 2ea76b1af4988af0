//! Shards of parquet, as Hugging Face's `datasets` writes them.

use palimpsest_core::{Error, Result};
use palimpsest_parquet::{ImageColumns, ImageRow, ImageWriter, WritingError};

use super::PackPart;
use super::sample::PackedSample;
use super::shard::{Shard, ShardFile};
use super::targets::SampleTargets;

pub(super) struct ParquetShard {
    location: String,
    writer: ImageWriter<ShardFile>,
}

impl ParquetShard {
    pub(super) fn new(file: ShardFile, part: &PackPart) -> Result<Self> {
        let location = file.path().display().to_string();
        let (labels, values) = (part.targets.label_names(), part.targets.value_names());
        let columns = ImageColumns { classes: part.data.classes(), labels, values };
        let writer = ImageWriter::new(file, columns).map_err(|e| failed(&e, &location))?;
        Ok(Self { location, writer })
    }
}

impl Shard for ParquetShard {
    fn add(&mut self, sample: PackedSample) -> Result<()> {
        let (path, label) = (sample.path(), sample.label);
        let SampleTargets { labels, values } = sample.targets;
        let row = ImageRow { bytes: sample.image.bytes.into(), path, label, labels, values };
        self.writer.add(row).map_err(|e| failed(&e, &self.location))
    }

    fn finish(self: Box<Self>) -> Result<ShardFile> {
        let Self { location, writer } = *self;
        writer.finish().map_err(|e| failed(&e, &location))
    }
}

/// The library wraps what the disk said.
fn failed(error: &WritingError, location: &str) -> Error {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match source {
        Some(io) => Error::io(location, io),
        None => Error::failure(format!("can't write parquet: {error}")).at(location),
    }
}

/// Bytes that a sample takes, about.
pub(super) fn size_of(sample: &PackedSample) -> u64 {
    // Lengths, levels and the label.
    const BESIDE: usize = 20;
    let targets = sample.targets.values.len() * 4 + sample.targets.labels.as_ref().map_or(0, Vec::len) * 8;
    (sample.image.bytes.len() + sample.path().len() + targets + BESIDE) as u64
}

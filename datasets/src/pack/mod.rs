//! Data packed into shards: WebDataset's tars, or parquet files as Hugging Face's `datasets` writes them.
//!
//! Images stay the files that they are, unless they are resized. What is written depends on data and options alone: the
//! order is the data's (or the seed's), and no time, user or number of threads enters. A shard gets its name when it is
//! whole, and a list of whole shards is kept beside them, from which a stopped packing goes on.

mod forecast;
mod image;
mod keys;
mod ledger;
mod listed;
mod order;
mod packing;
mod parquet_shard;
mod resize;
mod sample;
mod shard;
mod sources;
mod tar_shard;
mod targets;

use std::str::FromStr;
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};

pub use self::forecast::{Forecast, PartForecast, forecast};
pub(crate) use self::ledger::unfinished;
pub use self::ledger::{LEDGER, Ledger, LeftOut, Plan, ShardRecord};
pub(crate) use self::listed::{gone, listed_shards};
pub use self::packing::{Packed, Progress, Watch, pack, pack_watched};
pub use self::targets::{PackTargets, open_parts, reader_keys};

/// What shards are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackFormat {
    /// Tar files: `train-000000.tar`.
    WebDataset,
    /// Parquet files: `train-00000-of-00003.parquet`.
    Parquet,
}

impl FromStr for PackFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "webdataset" => Ok(Self::WebDataset),
            "parquet" => Ok(Self::Parquet),
            _ => Err(palimpsest_core::error::unknown_name("format", text, ["webdataset", "parquet"])),
        }
    }
}

/// How data are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// What shards are.
    pub format: PackFormat,
    /// Bytes of a shard at most; a shard with one sample may have more.
    pub shard_size: u64,
    /// The shorter side in pixels that larger images are shrunk to; none copies every image file as it is.
    pub resize: Option<Resize>,
    /// The seed of the order of samples; none keeps that of the data.
    pub shuffle: Option<u64>,
    /// Images that can't be read before packing stops.
    pub bad_files: usize,
}

/// How images are shrunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resize {
    /// The shorter side in pixels.
    pub side: usize,
    /// Images with more pixels can't be read.
    pub max_pixels: u64,
}

/// A part that is packed.
#[derive(Clone)]
pub struct PackPart {
    /// Which it is.
    pub split: Split,
    /// Its images, with their classes.
    pub data: Arc<dyn Dataset>,
    /// Their label sets and numbers.
    pub targets: PackTargets,
}

impl PackPart {
    /// A part of images with classes alone.
    pub fn of(split: Split, data: Arc<dyn Dataset>) -> Self {
        Self { split, data, targets: PackTargets::default() }
    }
}

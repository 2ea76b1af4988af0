//! What packing would write, without writing it.

use palimpsest_core::Result;
use rayon::prelude::*;
use serde::Serialize;

use super::image::NotPacked;
use super::sample::PackedSample;
use super::shard::size_of;
use super::{PackOptions, PackPart};
use crate::formats::evenly::evenly;

/// What would be written.
#[derive(Debug, Clone, Serialize)]
pub struct Forecast {
    /// Each part.
    pub parts: Vec<PartForecast>,
}

/// What would be written of a part. Bytes, shards and shares are estimates from samples that are spread over the data.
#[derive(Debug, Clone, Serialize)]
pub struct PartForecast {
    /// `train` or `test`.
    pub part: String,
    /// How many samples.
    pub samples: usize,
    /// How many of them were looked at.
    pub looked_at: usize,
    /// Bytes of the shards.
    pub bytes: u64,
    /// How many shards.
    pub shards: u64,
    /// The share of images that are written anew, as JPEG.
    pub as_jpeg: f64,
    /// The share of images that are written anew, as PNG.
    pub as_png: f64,
    /// Of the images that were looked at, those that can't be read.
    pub broken: Vec<String>,
}

/// Packs a few samples of each part in memory.
///
/// # Errors
/// None that samples can have: those that can't be read are named in the result.
pub fn forecast(parts: &[PackPart], options: &PackOptions) -> Result<Forecast> {
    let part = |part: &PackPart| {
        let data = &*part.data;
        let looked_at = evenly(data.len());
        let packed: Vec<Result<(u64, Option<&str>)>> = looked_at
            .par_iter()
            .map(|&index| {
                let key = data.name(index).unwrap_or_else(|| format!("{index:08}"));
                let encoded = data.encoded(index);
                let targets = part.targets.of(index)?;
                let sample = PackedSample::of(data, index, key.into(), encoded, targets, options.resize);
                let sample = sample.map_err(NotPacked::into_error)?;
                let anew = sample.image.encoded.then(|| sample.image.format.ending());
                Ok((size_of(options.format, &sample, &part.targets), anew))
            })
            .collect();
        let whole: Vec<&(u64, Option<&str>)> = packed.iter().flatten().collect();
        let count = whole.len().max(1) as f64;
        let share = |ending| whole.iter().filter(|(_, anew)| *anew == Some(ending)).count() as f64 / count;
        let mean = whole.iter().map(|(size, _)| *size as f64).sum::<f64>() / count;
        let bytes = (mean * data.len() as f64).round() as u64;
        PartForecast {
            part: part.split.to_string(),
            samples: data.len(),
            looked_at: looked_at.len(),
            bytes,
            shards: bytes.div_ceil(options.shard_size.max(1)).max(u64::from(!data.is_empty())),
            as_jpeg: share("jpg"),
            as_png: share("png"),
            broken: packed
                .iter()
                .filter_map(|packed| packed.as_ref().err())
                .map(ToString::to_string)
                .collect(),
        }
    };
    Ok(Forecast { parts: parts.iter().map(part).collect() })
}

//! `RoIAlign` (He et al., Mask R-CNN, section 3), aligned as Detectron2 does it: regions are cut out of
//! feature maps by bilinear samples.

use palimpsest_core::{Error, Result, Tensor};

use crate::detection::BoxXyxy;
use crate::pyramid::FeatureMap;

/// A box of an image of the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// The image.
    pub image: usize,
    /// The box in pixels of the image.
    pub edges: BoxXyxy,
}

/// The size that regions are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoiAlign {
    /// Bins of a side.
    pub size: usize,
    /// Samples of a bin along a side, of which the mean is taken.
    pub samples: usize,
}

/// A sample between pixels: up to four of them with their shares.
pub(super) type Corners = [(usize, f64); 4];

impl RoiAlign {
    /// Levels [B, C, H, W], the finest first -> [regions, C, size, size].
    ///
    /// # Errors
    /// No levels, an image that isn't there, or the backend's failure.
    pub fn forward(&self, levels: &[FeatureMap], regions: &[Region]) -> Result<Tensor> {
        let first = levels.first().ok_or_else(|| Error::failure("RoIAlign without levels"))?;
        let (device, dtype) = (first.values.device(), first.values.dtype());
        let [batch, channels, _, _] = first.values.shape().array()?;
        // All levels' pixels as rows of one table.
        let mut rows = vec![];
        let mut extents = vec![];
        let mut start = 0;
        for level in levels {
            let [b, c, h, w] = level.values.shape().array()?;
            rows.push(level.values.permute(&[0, 2, 3, 1])?.reshape([b * h * w, c])?);
            extents.push((start, h, w));
            start += b * h * w;
        }
        let rows = Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0)?;
        let each = self.samples * self.samples * 4;
        let bins = self.size * self.size;
        let mut indices = Vec::with_capacity(regions.len() * bins * each);
        let mut weights = Vec::with_capacity(indices.capacity());
        let share = 1.0 / (self.samples * self.samples) as f64;
        for region in regions {
            if region.image >= batch {
                return Err(Error::failure(format!("a region of image {} of {batch}", region.image)));
            }
            let level = self.level(levels, &region.edges);
            let (start, h, w) = extents[level];
            let start = start + region.image * h * w;
            self.sample(&region.edges, levels[level].stride, [h, w], |corners| {
                for (at, weight) in corners {
                    indices.push((start + at) as i64);
                    weights.push(weight * share);
                }
            });
        }
        let count = indices.len();
        if count == 0 {
            return device.full([0, channels, self.size, self.size], 0.0, dtype);
        }
        let sampled = rows.index_select(0, &device.indices([count], indices)?)?;
        let weights = device.f64s([regions.len() * bins, 1, each], weights, dtype)?;
        weights
            .matmul(&sampled.reshape([regions.len() * bins, each, channels])?)?
            .reshape([regions.len(), self.size, self.size, channels])?
            .permute(&[0, 3, 1, 2])
    }

    /// The number of the level that a box is cut out of, by FPN's rule: one of 224 x 224 pixels out of
    /// that of stride 16, one of half the side out of that of half the stride.
    pub fn level(&self, levels: &[FeatureMap], edges: &BoxXyxy) -> usize {
        let ideal = edges.area().max(0.0).sqrt() * 16.0 / 224.0;
        levels.iter().rposition(|level| level.stride <= ideal * (1.0 + 1e-6)).unwrap_or(0)
    }

    /// Calls `take` with every sample of a box on a map, bin by bin.
    fn sample(&self, edges: &BoxXyxy, stride: f64, map: [usize; 2], mut take: impl FnMut(Corners)) {
        let [left, top, _, _] = edges.0.map(|v| v / stride - 0.5);
        let step = |extent: f64| extent / stride / self.size as f64;
        let (across, down) = (step(edges.width()), step(edges.height()));
        let at = |bin: usize, sample: usize| bin as f64 + (sample as f64 + 0.5) / self.samples as f64;
        for row in 0..self.size {
            for column in 0..self.size {
                for sample in 0..self.samples * self.samples {
                    let y = top + down * at(row, sample / self.samples);
                    let x = left + across * at(column, sample % self.samples);
                    take(corners([y, x], map));
                }
            }
        }
    }
}

/// The four pixels around a point of a map with their shares; all 0 more than a pixel outside.
pub(super) fn corners([y, x]: [f64; 2], [height, width]: [usize; 2]) -> Corners {
    let outside = |v: f64, extent: usize| v < -1.0 || v > extent as f64;
    if outside(y, height) || outside(x, width) {
        return [(0, 0.0); 4];
    }
    let (rows, columns) = (between(y, height), between(x, width));
    let mut corners = [(0, 0.0); 4];
    for (i, corner) in corners.iter_mut().enumerate() {
        let ((row, down), (column, across)) = (rows[i / 2], columns[i % 2]);
        *corner = (row * width + column, down * across);
    }
    corners
}

/// The two pixels of a side that a position lies between, with their shares.
fn between(at: f64, extent: usize) -> [(usize, f64); 2] {
    let at = at.max(0.0);
    let low = at as usize;
    if low + 1 >= extent {
        return [(extent - 1, 1.0), (extent - 1, 0.0)];
    }
    let share = at - low as f64;
    [(low, 1.0 - share), (low + 1, share)]
}

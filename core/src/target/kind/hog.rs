//! Histograms of oriented gradients (Dalal & Triggs 2005), as MaskFeat (Wei et al. 2022) restores
//! them: 9 unsigned orientations, 8-px cells, votes weighted by magnitude and split between the two
//! nearest bins, L2-normalised per cell, each channel on its own.

use std::f32::consts::PI;

use rayon::prelude::*;

use crate::geometry::Geometry;
use crate::settings::Settings;
use crate::target::{Target, TargetEntry, TargetInput};
use crate::tensor::Tensor;
use crate::{Error, Result};

crate::settings! {
    /// Histograms of oriented gradients per patch.
    pub struct Hog {
        /// Orientations over 180 degrees.
        bins: usize = 9, in 1..=180;
        /// Side of a cell in pixels, a divisor of the patch; 0 takes half a patch.
        cell: usize = 0, in 0..=1024;
    }
}

impl Hog {
    fn cell(&self, geometry: &Geometry) -> usize {
        if self.cell == 0 { (geometry.patch / 2).max(1) } else { self.cell }
    }

    /// The normalised histograms of one plane [h, w]: [h / cell, w / cell, bins].
    pub fn histograms(&self, plane: &[f32], h: usize, w: usize, cell: usize) -> Vec<f32> {
        let (rows, columns, bins) = (h / cell, w / cell, self.bins);
        let mut histograms = vec![0.0f32; rows * columns * bins];
        // Central differences with the border mirrored about its own pixel, so that the border's
        // normal gradient is 0.
        let at = |y: usize, x: usize| plane[y * w + x];
        for y in 0..rows * cell {
            for x in 0..columns * cell {
                let gx = if x == 0 || x + 1 == w { 0.0 } else { at(y, x + 1) - at(y, x - 1) };
                let gy = if y == 0 || y + 1 == h { 0.0 } else { at(y + 1, x) - at(y - 1, x) };
                let magnitude = (gx * gx + gy * gy).sqrt();
                // In bins, from the gradient's direction modulo 180 degrees.
                let position = gy.atan2(gx).rem_euclid(PI) / PI * bins as f32;
                let low = position.floor();
                let share = position - low;
                let first = low as usize % bins;
                let base = ((y / cell) * columns + x / cell) * bins;
                histograms[base + first] += magnitude * (1.0 - share);
                histograms[base + (first + 1) % bins] += magnitude * share;
            }
        }
        for histogram in histograms.chunks_mut(bins) {
            let norm = histogram.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            histogram.iter_mut().for_each(|v| *v /= norm);
        }
        histograms
    }
}

impl Target for Hog {
    fn width(&self, geometry: &Geometry) -> usize {
        let per_side = geometry.patch / self.cell(geometry).clamp(1, geometry.patch);
        geometry.channels * per_side * per_side * self.bins
    }

    fn check(&self, geometry: &Geometry) -> Result<()> {
        let (cell, patch) = (self.cell(geometry), geometry.patch);
        if patch.is_multiple_of(cell) {
            return Ok(());
        }
        let divisors: Vec<String> =
            (1..=patch).filter(|d| patch.is_multiple_of(*d)).map(|d| d.to_string()).collect();
        Err(Error::user(format!("HOG cells of {cell} px do not divide patches of {patch}"))
            .about("target.cell")
            .help(format!("choose a cell among {}", divisors.join(", "))))
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        let geometry = input.geometry;
        let [b, c, h, w] = input.batch.shape;
        let cell = self.cell(geometry);
        let pixels = input.batch.pixels.normalised();
        let planes: Vec<Vec<f32>> =
            pixels.par_chunks(h * w).map(|plane| self.histograms(plane, h, w, cell)).collect();
        let (side, columns, width) = (geometry.patch / cell, w / cell, self.width(geometry));
        let mut values = Vec::with_capacity(b * geometry.tokens() * width);
        for image in planes.chunks(c) {
            for token in 0..geometry.tokens() {
                let (top, left) = (token / geometry.grid_w() * side, token % geometry.grid_w() * side);
                for plane in image {
                    for row in top..top + side {
                        let start = (row * columns + left) * self.bins;
                        values.extend_from_slice(&plane[start..start + side * self.bins]);
                    }
                }
            }
        }
        input.patches.device().floats([b, geometry.tokens(), width], values, input.patches.dtype())
    }
}

inventory::submit! {
    TargetEntry {
        name: "hog",
        summary: "histograms of oriented gradients (MaskFeat)",
        fields: Hog::fields,
        build: |section| Ok(Box::new(section.read::<Hog>()?)),
    }
}

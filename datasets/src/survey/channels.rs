//! Mean and deviation of channels.

use palimpsest_core::data::{Image, Samples};
use serde::Serialize;

/// Values that histograms of pixels tell apart.
pub const LEVELS: usize = 256;

/// A channel over all pixels of all images; pixels are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Channel {
    /// The mean over all pixels of all images: large images count by their area.
    pub mean: f64,
    /// The standard deviation of the same pixels about that mean (divided by their number, as `numpy.std`).
    pub std: f64,
    /// How many pixels have each of the 256 levels from 0 to 1.
    pub levels: Vec<u64>,
}

impl Channel {
    pub(super) fn of(totals: &Totals) -> Self {
        let count = totals.pixels.max(1) as f64;
        let mean = totals.sum / count;
        let std = (totals.squares / count - mean * mean).max(0.0).sqrt();
        Self { mean, std, levels: totals.levels.clone() }
    }
}

/// Sums over the pixels of a channel.
#[derive(Clone)]
pub(super) struct Totals {
    pixels: u64,
    sum: f64,
    squares: f64,
    levels: Vec<u64>,
}

impl Default for Totals {
    fn default() -> Self {
        Self { pixels: 0, sum: 0.0, squares: 0.0, levels: vec![0; LEVELS] }
    }
}

impl Totals {
    /// Of each channel of an image.
    pub(super) fn of(image: &Image) -> Vec<Self> {
        let mut all = vec![Self::default(); image.channels];
        match &image.pixels {
            Samples::U8(pixels) => {
                for pixel in pixels.chunks_exact(image.channels) {
                    for (totals, &value) in all.iter_mut().zip(pixel) {
                        totals.levels[usize::from(value)] += 1;
                    }
                }
                all.iter_mut().for_each(Self::sum_levels);
            }
            Samples::U16(pixels) => Self::add_each(&mut all, pixels, |value| f64::from(value) / 65_535.0),
            Samples::F32(pixels) => Self::add_each(&mut all, pixels, f64::from),
        }
        all
    }

    /// Of pixels that levels can't hold.
    fn add_each<T: Copy>(all: &mut [Self], pixels: &[T], unit: impl Fn(T) -> f64) {
        for pixel in pixels.chunks_exact(all.len()) {
            for (totals, &value) in all.iter_mut().zip(pixel) {
                let value = unit(value);
                totals.pixels += 1;
                totals.sum += value;
                totals.squares += value * value;
                totals.levels[(value.clamp(0.0, 1.0) * 255.0).round() as usize] += 1;
            }
        }
    }

    /// Of 8-bit pixels, whose levels are their values: sums of whole numbers, which are exact.
    fn sum_levels(&mut self) {
        let (mut sum, mut squares) = (0_u64, 0_u64);
        for (value, &count) in (0_u64..).zip(&self.levels) {
            self.pixels += count;
            sum += value * count;
            squares += value * value * count;
        }
        self.sum = sum as f64 / 255.0;
        self.squares = squares as f64 / (255.0 * 255.0);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.pixels += other.pixels;
        self.sum += other.sum;
        self.squares += other.squares;
        self.levels.iter_mut().zip(&other.levels).for_each(|(all, more)| *all += more);
    }
}

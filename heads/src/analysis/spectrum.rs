//! The Fourier spectrum of features over the patch grid, as Park & Kim (2022), "How do vision
//! transformers work?", look at it: the logarithm of the amplitude, averaged over images and channels,
//! relative to that of frequency zero.

use std::collections::BTreeMap;

use palimpsest_core::fourier::{Complex, PlaneTransform};

/// A point of a spectrum.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SpectrumPoint {
    /// The frequency as a share of the highest that a row of patches holds (Nyquist's): 1 is pi.
    pub frequency: f64,
    /// ln amplitude, less that of frequency zero.
    pub relative_log_amplitude: f64,
}

/// Sums log amplitudes over images and channels.
pub struct Spectrum {
    height: usize,
    width: usize,
    transform: PlaneTransform,
    sums: Vec<f64>,
    count: usize,
}

/// Added to the amplitude under the logarithm, as in the code of the paper.
const FLOOR: f64 = 1e-6;

impl Spectrum {
    /// A spectrum over a grid of `height` x `width` patches.
    pub fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            transform: PlaneTransform::forward(height, width),
            sums: vec![0.0; height * width],
            count: 0,
        }
    }

    /// Adds the patch tokens of one image, [height * width, dim].
    pub fn add(&mut self, tokens: &[f32], dim: usize) {
        let mut grid = vec![Complex::default(); self.height * self.width];
        for channel in 0..dim {
            for (value, token) in grid.iter_mut().zip(tokens.chunks_exact(dim)) {
                *value = Complex::new(f64::from(token[channel]), 0.0);
            }
            self.transform.process(&mut grid);
            for (sum, value) in self.sums.iter_mut().zip(&grid) {
                *sum += (value.norm() + FLOOR).ln();
            }
            self.count += 1;
        }
    }

    /// The mean log amplitude at each frequency, [height, width], frequency zero first.
    pub fn log_amplitudes(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.count.max(1) as f64).collect()
    }

    /// The mean over rings of equal frequency, whatever its direction. A ring is as wide as the
    /// distance between two frequencies of the shorter side; the corners lie beyond 1.
    pub fn radial(&self) -> Vec<SpectrumPoint> {
        let amplitudes = self.log_amplitudes();
        let half = self.height.min(self.width) as f64 / 2.0;
        let mut rings: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        for (i, amplitude) in amplitudes.iter().enumerate() {
            let y = signed(i / self.width, self.height);
            let x = signed(i % self.width, self.width);
            // In shares of Nyquist's frequency, which is half a cycle per patch.
            let radius = 2.0 * y.hypot(x);
            let ring = rings.entry((radius * half).round() as usize).or_default();
            *ring = (ring.0 + amplitude, ring.1 + 1);
        }
        let zero = amplitudes[0];
        rings
            .into_iter()
            .map(|(ring, (sum, count))| SpectrumPoint {
                frequency: ring as f64 / half,
                relative_log_amplitude: sum / count as f64 - zero,
            })
            .collect()
    }

    /// The half diagonal from frequency zero to the corner, which is what the paper plots; frequency 1 is
    /// Nyquist's in both directions.
    pub fn diagonal(&self) -> Vec<SpectrumPoint> {
        let amplitudes = self.log_amplitudes();
        let side = self.height.min(self.width);
        (0..=side / 2)
            .map(|k| SpectrumPoint {
                frequency: 2.0 * k as f64 / side as f64,
                relative_log_amplitude: amplitudes[k * self.width + k] - amplitudes[0],
            })
            .collect()
    }
}

/// The mean relative log amplitude of the rings from half of Nyquist's frequency to it: how strong fine
/// structure is beside the mean.
pub fn high_frequencies(radial: &[SpectrumPoint]) -> f64 {
    let high: Vec<f64> = radial
        .iter()
        .filter(|point| (0.5..=1.0).contains(&point.frequency))
        .map(|point| point.relative_log_amplitude)
        .collect();
    high.iter().sum::<f64>() / high.len().max(1) as f64
}

/// Cycles per patch of the `k`-th of `n` frequencies, from -1/2 to 1/2.
fn signed(k: usize, n: usize) -> f64 {
    let k = if 2 * k > n { k as f64 - n as f64 } else { k as f64 };
    k / n as f64
}

//! Batch normalisation without gain and bias, by the statistics of the training features: what a
//! linear probe on masked pre-training needs (MAE, appendix A.1).

use palimpsest_core::head::Features;

/// Per-feature shift and scale.
pub(super) struct Standardiser {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Standardiser {
    /// The statistics of training features.
    pub(super) fn fit(features: &Features) -> Self {
        let (n, width) = (features.count() as f64, features.width);
        let mut mean = vec![0.0f64; width];
        let mut square = vec![0.0f64; width];
        for row in features.values.chunks(width) {
            for ((m, s), &v) in mean.iter_mut().zip(&mut square).zip(row) {
                *m += f64::from(v) / n;
                *s += f64::from(v) * f64::from(v) / n;
            }
        }
        let scale = mean
            .iter()
            .zip(&square)
            .map(|(m, s)| (1.0 / ((s - m * m).max(0.0) + 1e-6).sqrt()) as f32)
            .collect();
        Self { mean: mean.into_iter().map(|m| m as f32).collect(), scale }
    }

    /// Standardised values.
    pub(super) fn apply(&self, features: &Features) -> Vec<f32> {
        let mut values = features.values.clone();
        for row in values.chunks_mut(features.width) {
            for ((v, m), s) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *v = (*v - m) * s;
            }
        }
        values
    }
}

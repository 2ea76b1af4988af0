//! Pixels normalised within each patch (MAE's `norm_pix_loss`).

use crate::Result;
use crate::geometry::Geometry;
use crate::settings::Settings;
use crate::target::{Target, TargetEntry, TargetInput};
use crate::tensor::Tensor;

crate::settings! {
    /// (x - mean) / sqrt(variance + eps), over all values of a patch, unbiased variance.
    pub struct NormalizedPixels {
        /// Added to the variance.
        eps: f64 = 1e-6, in 0.0..=1.0;
    }
}

impl Target for NormalizedPixels {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.patch_values()
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        self.normalised(input.patches)
    }

    /// Pixels need the mean and deviation of the true patch, as MAE's images do.
    fn to_pixels(&self, prediction: &Tensor, input: &TargetInput<'_>) -> Result<Option<Tensor>> {
        self.restored(prediction, input.patches).map(Some)
    }
}

impl NormalizedPixels {
    /// Patches [B, L, C*p*p], normalised.
    pub(super) fn normalised(&self, patches: &Tensor) -> Result<Tensor> {
        let [mean, deviation] = self.statistics(patches)?;
        patches.sub(&mean)?.div(&deviation)
    }

    /// A prediction of normalised patches, with the mean and deviation of the true ones.
    pub(super) fn restored(&self, prediction: &Tensor, patches: &Tensor) -> Result<Tensor> {
        let [mean, deviation] = self.statistics(patches)?;
        prediction.mul(&deviation)?.add(&mean)
    }

    /// Mean and deviation of each patch, [B, L, 1].
    fn statistics(&self, patches: &Tensor) -> Result<[Tensor; 2]> {
        let n = patches.shape()[2] as f64;
        let mean = patches.mean(&[2])?;
        let centred = patches.sub(&mean)?;
        let variance = centred.mul(&centred)?.mean(&[2])?.mul_scalar(n / (n - 1.0).max(1.0))?;
        Ok([mean, variance.add_scalar(self.eps)?.sqrt()?])
    }
}

inventory::submit! {
    TargetEntry {
        name: "normalized-pixels",
        summary: "pixels normalised within each patch (MAE)",
        fields: NormalizedPixels::fields,
        build: |section| Ok(Box::new(section.read::<NormalizedPixels>()?)),
    }
}

//! Pixels normalised within each patch (MAE's `norm_pix_loss`).

use crate::geometry::Geometry;
use crate::settings::Settings;
use crate::target::{Target, TargetEntry, TargetInput};
use crate::tensor::Tensor;
use crate::Result;

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
        let x = input.patches;
        let n = x.shape()[2] as f64;
        let centred = x.sub(&x.mean(&[2])?)?;
        let variance = centred.mul(&centred)?.mean(&[2])?.mul_scalar(n / (n - 1.0).max(1.0))?;
        centred.mul(&variance.add_scalar(self.eps)?.pow_scalar(-0.5)?)
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

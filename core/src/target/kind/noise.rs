//! The noise that was added to the pixels (CAN, Mishra et al. 2022; epsilon prediction of DDPM).

use crate::geometry::Geometry;
use crate::settings::Settings;
use crate::target::{Target, TargetEntry, TargetInput, TargetNeeds};
use crate::tensor::Tensor;
use crate::{Error, Result};

crate::settings! {
    /// The unit-variance noise, before it was scaled.
    pub struct PixelNoise {}
}

impl Target for PixelNoise {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.patch_values()
    }

    fn needs(&self, _: &Geometry) -> TargetNeeds {
        TargetNeeds { pixel_noise: true, ..TargetNeeds::default() }
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        input.eps.cloned().ok_or_else(|| Error::failure("noise: the step has no pixel noise"))
    }
}

inventory::submit! {
    TargetEntry {
        name: "noise",
        summary: "the noise on the pixels, unit variance (CAN, DDPM)",
        fields: PixelNoise::fields,
        build: |section| Ok(Box::new(section.read::<PixelNoise>()?)),
    }
}

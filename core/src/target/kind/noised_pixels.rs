//! Pixels with the plan's noise on them: what the released code of the paper restores to.

use crate::geometry::Geometry;
use crate::settings::Settings;
use crate::target::{Target, TargetEntry, TargetInput, TargetNeeds};
use crate::tensor::Tensor;
use crate::{Error, Result};

crate::settings! {
    /// Has no parameters.
    pub struct NoisedPixels {}
}

impl Target for NoisedPixels {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.patch_values()
    }

    fn needs(&self, _: &Geometry) -> TargetNeeds {
        TargetNeeds { pixel_noise: true, ..TargetNeeds::default() }
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        input.noised.cloned().ok_or_else(|| Error::failure("noised-pixels: the step has no pixel noise"))
    }

    fn to_pixels(&self, prediction: &Tensor, _: &TargetInput<'_>) -> Result<Option<Tensor>> {
        Ok(Some(prediction.clone()))
    }
}

inventory::submit! {
    TargetEntry {
        name: "noised-pixels",
        summary: "pixels with the plan's noise (the paper as released)",
        fields: NoisedPixels::fields,
        build: |section| Ok(Box::new(section.read::<NoisedPixels>()?)),
    }
}

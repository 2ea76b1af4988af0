//! The pixels as the loader normalised them.

use crate::Result;
use crate::geometry::Geometry;
use crate::settings::Settings;
use crate::target::{Target, TargetEntry, TargetInput};
use crate::tensor::Tensor;

crate::settings! {
    /// Has no parameters.
    pub struct Pixels {}
}

impl Target for Pixels {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.patch_values()
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        Ok(input.patches.clone())
    }

    fn to_pixels(&self, prediction: &Tensor, _: &TargetInput<'_>) -> Result<Option<Tensor>> {
        Ok(Some(prediction.clone()))
    }
}

inventory::submit! {
    TargetEntry {
        name: "pixels",
        summary: "the pixels (SimMIM, the paper)",
        fields: Pixels::fields,
        build: |section| Ok(Box::new(section.read::<Pixels>()?)),
    }
}

//! Low-pass filtered pixels (PixMIM, Liu et al. 2023): an ideal disc in the frequency domain. PixMIM restores them normalised
//! within each patch, as MAE does pixels.

use rayon::prelude::*;

use crate::Result;
use crate::fourier::{Complex, PlaneTransform};
use crate::geometry::Geometry;
use crate::settings::Settings;
use crate::target::kind::normalized_pixels::NormalizedPixels;
use crate::target::{Target, TargetEntry, TargetInput};
use crate::tensor::Tensor;

crate::settings! {
    /// Keeps frequencies within a disc around zero.
    pub struct LowPass {
        /// Radius of the disc in cycles per image.
        radius: f64 = 40.0, in 0.0..=65536.0;
    }
}

impl LowPass {
    /// Filters one plane [h, w] in place; frequencies wrap, as in an unpadded transform.
    pub fn filter(&self, plane: &mut [f32], h: usize, w: usize) {
        self.filter_by(plane, w, &PlaneTransform::forward(h, w), &PlaneTransform::inverse(h, w));
    }

    fn filter_by(&self, plane: &mut [f32], w: usize, forward: &PlaneTransform, inverse: &PlaneTransform) {
        let count = plane.len();
        let h = count / w;
        let mut values: Vec<Complex<f64>> = plane.iter().map(|&v| Complex::new(f64::from(v), 0.0)).collect();
        let frequency = |i: usize, n: usize| (if i <= n / 2 { i as f64 } else { i as f64 - n as f64 }).abs();
        // Nothing is kept of the other columns, and zeros stay zeros there and back.
        let kept = || (0..w).filter(|&x| frequency(x, w) <= self.radius);
        forward.process_rows(&mut values);
        forward.process_columns(&mut values, kept());
        for (i, value) in values.iter_mut().enumerate() {
            let (y, x) = (frequency(i / w, h), frequency(i % w, w));
            if x > self.radius || y * y + x * x > self.radius * self.radius {
                *value = Complex::default();
            }
        }
        inverse.process_columns(&mut values, kept());
        inverse.process_rows(&mut values);
        let scale = 1.0 / count as f64;
        for (out, value) in plane.iter_mut().zip(values) {
            *out = (value.re * scale) as f32;
        }
    }
}

impl Target for LowPass {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.patch_values()
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        let [_, _, h, w] = input.batch.shape;
        let mut pixels = input.batch.pixels.normalised().into_owned();
        let (forward, inverse) = (PlaneTransform::forward(h, w), PlaneTransform::inverse(h, w));
        pixels.par_chunks_mut(h * w).for_each(|plane| self.filter_by(plane, w, &forward, &inverse));
        let images = input.patches.device().floats(input.batch.shape, pixels, input.patches.dtype())?;
        crate::encoder::patchify(&images, input.geometry)
    }

    fn to_pixels(&self, prediction: &Tensor, _: &TargetInput<'_>) -> Result<Option<Tensor>> {
        Ok(Some(prediction.clone()))
    }
}

inventory::submit! {
    TargetEntry {
        name: "low-pass",
        summary: "low-pass filtered pixels (PixMIM)",
        fields: LowPass::fields,
        build: |section| Ok(Box::new(section.read::<LowPass>()?)),
    }
}

/// Filtered pixels, normalised within each patch.
struct NormalizedLowPass {
    filter: LowPass,
    norm: NormalizedPixels,
}

impl Target for NormalizedLowPass {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.patch_values()
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        self.norm.normalised(&self.filter.generate(input)?)
    }

    fn to_pixels(&self, prediction: &Tensor, input: &TargetInput<'_>) -> Result<Option<Tensor>> {
        self.norm.restored(prediction, &self.filter.generate(input)?).map(Some)
    }
}

inventory::submit! {
    TargetEntry {
        name: "normalized-low-pass",
        summary: "low-pass filtered pixels normalised within each patch (PixMIM as published)",
        fields: LowPass::fields,
        build: |section| {
            Ok(Box::new(NormalizedLowPass { filter: section.read()?, norm: NormalizedPixels::default() }))
        },
    }
}

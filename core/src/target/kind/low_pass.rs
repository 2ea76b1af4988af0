//! Low-pass filtered pixels (PixMIM, Liu et al. 2023): an ideal disc in the frequency domain.

use std::sync::Arc;

use rayon::prelude::*;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::Result;
use crate::geometry::Geometry;
use crate::settings::Settings;
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
        let mut planner = FftPlanner::<f64>::new();
        let plans = [planner.plan_fft_forward(w), planner.plan_fft_forward(h)];
        let inverse = [planner.plan_fft_inverse(w), planner.plan_fft_inverse(h)];
        let mut values: Vec<Complex<f64>> = plane.iter().map(|&v| Complex::new(f64::from(v), 0.0)).collect();
        transform(&mut values, (h, w), &plans);
        let frequency = |i: usize, n: usize| (if i <= n / 2 { i as f64 } else { i as f64 - n as f64 }).abs();
        for (i, value) in values.iter_mut().enumerate() {
            let (y, x) = (frequency(i / w, h), frequency(i % w, w));
            if y * y + x * x > self.radius * self.radius {
                *value = Complex::default();
            }
        }
        transform(&mut values, (h, w), &inverse);
        let scale = 1.0 / (h * w) as f64;
        for (out, value) in plane.iter_mut().zip(values) {
            *out = (value.re * scale) as f32;
        }
    }
}

/// Rows, then columns.
fn transform(values: &mut [Complex<f64>], (h, w): (usize, usize), plans: &[Arc<dyn Fft<f64>>; 2]) {
    plans[0].process(values);
    let mut column = vec![Complex::default(); h];
    for x in 0..w {
        for y in 0..h {
            column[y] = values[y * w + x];
        }
        plans[1].process(&mut column);
        for y in 0..h {
            values[y * w + x] = column[y];
        }
    }
}

impl Target for LowPass {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.patch_values()
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        let [_, _, h, w] = input.batch.shape;
        let mut pixels = input.batch.pixels.clone();
        pixels.par_chunks_mut(h * w).for_each(|plane| self.filter(plane, h, w));
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

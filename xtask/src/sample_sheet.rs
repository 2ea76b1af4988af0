//! What the corruption does and the model restores, side by side.

use std::path::Path;

use palimpsest_core::backend::NoGrad;
use palimpsest_core::corruption::{CorruptionPlan, Role};
use palimpsest_core::data::Batch;
use palimpsest_core::encoder::unpatchify;
use palimpsest_core::geometry::Geometry;
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{DeviceHandle, Result};
use palimpsest_datasets::{ContactSheet, Tile};

/// Grey of a masked patch, in the range of the loader's pixels before normalisation.
const MASK_GREY: f32 = 0.5;

/// Draws pixels as tiles of a sheet.
pub(crate) struct Painter {
    /// Mean of each channel.
    pub(crate) mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub(crate) std: Vec<f32>,
    /// The channels that are shown as red, green and blue.
    pub(crate) shown: [usize; 3],
}

impl Painter {
    fn tile(&self, pixels: &[f32], geometry: &Geometry) -> Tile {
        Tile::from_channels(pixels, (geometry.width, geometry.height), &self.mean, &self.std, self.shown)
    }

    /// The images as the plan corrupts them. Feature noise is shown as pixel noise of the same
    /// level; masked patches are grey.
    fn corrupted(&self, batch: &Batch, plan: &CorruptionPlan, geometry: &Geometry) -> Vec<f32> {
        let mut pixels = batch.pixels.normalised().into_owned();
        let (c, h, w, p) = (geometry.channels, geometry.height, geometry.width, geometry.patch);
        for image in 0..batch.len() {
            let mut random = Philox::new(0, Stream::Noise, 0, image as u64);
            for channel in 0..c {
                let plane = &mut pixels[(image * c + channel) * h * w..][..h * w];
                for (i, value) in plane.iter_mut().enumerate() {
                    let token = (i / w / p) * geometry.grid_w() + (i % w) / p;
                    let at = image * plan.tokens + token;
                    let eps = random.normal_pair().0;
                    if plan.roles[at] == Role::Masked && !plan.substitutive {
                        *value = (MASK_GREY - self.mean[channel]) / self.std[channel];
                    } else {
                        *value = plan.signal[at] * *value + plan.sigma[at] * eps;
                    }
                }
            }
        }
        pixels
    }

    /// Writes original, corrupted and (with weights) restored images; the last column keeps visible
    /// patches as they were.
    pub(crate) fn write(
        &self,
        path: &Path,
        model: &Model,
        batch: &Batch,
        plan: &CorruptionPlan,
        weights: Option<(&Params, &DeviceHandle, u64)>,
    ) -> Result<()> {
        let geometry = *model.geometry();
        let image = geometry.channels * geometry.height * geometry.width;
        let corrupted = self.corrupted(batch, plan, &geometry);
        let mut columns =
            vec![("original", batch.pixels.normalised().into_owned()), ("corrupted", corrupted)];
        if let Some((params, device, step)) = weights {
            let _quiet = NoGrad::new(&*device.backend);
            let prepared = model.prepare(device, params.dtype(), batch, plan, Mode::evaluation(step))?;
            if let Some(restored) = model.restored_pixels(params, &prepared)? {
                let pixels = unpatchify(&restored, &geometry)?.download()?.into_f32();
                let mixed = keep_visible(&pixels, batch, plan, &geometry);
                columns.push(("restored", pixels));
                if plan.has_masked() {
                    columns.push(("completed", mixed));
                }
            }
        }
        let mut sheet = ContactSheet::new(columns.len(), columns.iter().map(|(name, _)| *name));
        for i in 0..batch.len() {
            let row =
                columns.iter().map(|(_, pixels)| self.tile(&pixels[i * image..(i + 1) * image], &geometry));
            sheet.push_row(row.collect());
        }
        sheet.write(path)
    }
}

/// Restored pixels at masked patches, original ones elsewhere.
fn keep_visible(restored: &[f32], batch: &Batch, plan: &CorruptionPlan, geometry: &Geometry) -> Vec<f32> {
    let (c, h, w, p) = (geometry.channels, geometry.height, geometry.width, geometry.patch);
    let mut pixels = batch.pixels.normalised().into_owned();
    for (i, value) in pixels.iter_mut().enumerate() {
        let (image, inside) = (i / (c * h * w), i % (h * w));
        let token = (inside / w / p) * geometry.grid_w() + (inside % w) / p;
        if plan.roles[image * plan.tokens + token] == Role::Masked {
            *value = restored[i];
        }
    }
    pixels
}

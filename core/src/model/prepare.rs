//! What a step needs on the device before anything is differentiated.

use std::ops::Range;

use super::Model;
use crate::corruption::noise::{NoiseValues, normal_values};
use crate::corruption::{Application, CorruptionPlan, Injection, PlanRequest, Role};
use crate::data::Batch;
use crate::encoder::{DropPath, patchify};
use crate::geometry::Geometry;
use crate::objective::TokenWeights;
use crate::restoration::{Dropped, Style};
use crate::tensor::{DType, Place, Tensor};
use crate::{Error, Result};

/// What is drawn at random for a tensor of noise; each draws from its own stream.
const PIXEL_DRAW: u64 = 1;
const TOKEN_DRAW: u64 = 2;

/// What a step computes before anything is differentiated: the batch and plan as tensors.
pub struct Prepared<'a> {
    pub(super) batch: &'a Batch,
    pub(super) step: u64,
    /// The plan.
    pub plan: &'a CorruptionPlan,
    /// Clean patches [B, L, C*p*p].
    pub patches: Tensor,
    pub(super) noised: Option<Tensor>,
    pub(super) noise: Option<Tensor>,
    /// gain and noise factor of every encoder token, and its noise values, for noise on tokens
    pub(super) token_noise: Option<[Tensor; 2]>,
    /// [B, L, 1], true where the mask token goes
    pub(super) masked: Option<Tensor>,
    pub(super) source: Option<Tensor>,
    pub(super) dropped: Option<Dropped>,
    pub(super) separation: Option<(Range<usize>, Tensor)>,
    pub(super) drop_path: Option<DropPath>,
    pub(super) weights: TokenWeights,
    pub(super) observe: bool,
}

impl Model {
    /// Uploads what a step needs that no gradient flows through. `training` draws drop path;
    /// `observe` also looks at attention where no objective asks for it.
    ///
    /// # Errors
    /// The backend's failure, or a batch that doesn't fit the model.
    pub fn prepare<'a>(
        &self,
        place: &Place,
        dtype: DType,
        batch: &'a Batch,
        plan: &'a CorruptionPlan,
        (step, training, observe): (u64, bool, bool),
    ) -> Result<Prepared<'a>> {
        let geometry = *self.geometry();
        let [b, l] = [batch.len(), geometry.tokens()];
        if batch.shape[1..] != [geometry.channels, geometry.height, geometry.width] {
            return Err(Error::failure(format!(
                "images of {:?} don't fit a model for {:?}",
                &batch.shape[1..],
                [geometry.channels, geometry.height, geometry.width]
            )));
        }
        let images = place.floats(batch.shape, batch.pixels.clone(), dtype)?;
        let patches = patchify(&images, &geometry)?;

        let factor = |values: &[f32]| place.floats([b, l, 1], values.to_vec(), dtype);
        let pixel_noise =
            plan.injection == Injection::Pixels || self.objectives.iter().any(|(_, o)| o.needs_pixel_noise());
        let (mut noised, mut noise) = (None, None);
        if pixel_noise && self.injection.is_some() {
            let shape = [b, l, geometry.patch_values()];
            let values = self.noise_values(place, dtype, batch, step, shape, PIXEL_DRAW)?;
            let (gain, scaled) = (factor(&plan.gain)?, values.mul(&factor(&plan.noise)?)?);
            let applied = match plan.injection {
                Injection::Pixels => self.corruption.apply(&Application {
                    request: PlanRequest { progress: plan.progress, ..self.request(batch, step) },
                    plan,
                    tokens: &patches,
                    prefix: 0,
                    kept: None,
                    noise: plan.has_noise().then_some([&gain, &scaled]),
                })?,
                _ => None,
            };
            noised = Some(match applied {
                Some(applied) => applied,
                None => patches.mul(&gain)?.add(&scaled)?,
            });
            noise = Some(values);
        }
        let masked_somewhere = plan.has_masked();
        let dropped = (self.style == Style::Decoder).then(|| dropped(plan, place)).transpose()?;
        let masked = (self.style == Style::Encoder && masked_somewhere && !plan.substitutive)
            .then(|| place.truths([b, l, 1], plan.roles.iter().map(|&role| role == Role::Masked).collect()))
            .transpose()?;
        let token_noise = (plan.injection != Injection::Pixels && plan.has_noise())
            .then(|| self.token_noise(place, dtype, batch, plan, step))
            .transpose()?;
        let source = plan
            .source
            .as_ref()
            .map(|source| place.indices([b * l], source.iter().map(|&s| i64::from(s)).collect()))
            .transpose()?;
        let depth = geometry.depth;
        let separate = self.objectives.iter().find_map(|(_, o)| o.separate(depth, self.injection()));
        let separation = match separate {
            Some(range) if self.style == Style::Encoder => {
                Some((range, separation(plan, &geometry, place, dtype)?))
            }
            _ => None,
        };
        let rate = self.encoder.drop_path();
        let drop_path = (training && rate > 0.0)
            .then(|| DropPath::draw(place, (self.seed, step, batch.first_sample), b, depth, rate, dtype))
            .transpose()?;
        Ok(Prepared {
            batch,
            step,
            plan,
            patches,
            noised,
            noise,
            token_noise,
            masked,
            source,
            dropped,
            separation,
            drop_path,
            weights: TokenWeights::new(plan, place, dtype)?,
            observe: observe && self.style == Style::Encoder && masked_somewhere,
        })
    }

    fn noise_values(
        &self,
        place: &Place,
        dtype: DType,
        batch: &Batch,
        step: u64,
        shape: [usize; 3],
        draw: u64,
    ) -> Result<Tensor> {
        match self.noise.as_ref().map(|noise| noise.settings.values) {
            Some(NoiseValues::Device) => place.random_normal(shape, dtype),
            _ => {
                let values =
                    normal_values(self.seed, step, batch.first_sample, shape[0], shape[1] * shape[2], draw);
                place.floats(shape, values, dtype)
            }
        }
    }

    /// gain [B, N, 1] and noise * eps [B, N, D] for the tokens where the noise enters: all patches
    /// before `assemble`, prefix and kept tokens at a block.
    fn token_noise(
        &self,
        place: &Place,
        dtype: DType,
        batch: &Batch,
        plan: &CorruptionPlan,
        step: u64,
    ) -> Result<[Tensor; 2]> {
        let geometry = self.geometry();
        let (mut gain, mut noise) = (vec![], vec![]);
        let at_block = matches!(plan.injection, Injection::Block(_));
        let kept = (at_block && self.style == Style::Decoder).then(|| plan.kept()).transpose()?;
        for image in 0..plan.batch {
            if at_block {
                let (a, s) = plan.prefix.as_ref().map_or((1.0, 0.0), |prefix| prefix[image]);
                gain.extend(std::iter::repeat_n(a, geometry.prefix));
                noise.extend(std::iter::repeat_n(s, geometry.prefix));
            }
            let base = image * plan.tokens;
            let mut push = |token: usize| {
                gain.push(plan.gain[base + token]);
                noise.push(plan.noise[base + token]);
            };
            match &kept {
                Some(kept) => kept[image].iter().for_each(|&token| push(token)),
                None => (0..plan.tokens).for_each(&mut push),
            }
        }
        let n = gain.len() / plan.batch;
        let values =
            self.noise_values(place, dtype, batch, step, [plan.batch, n, geometry.dim], TOKEN_DRAW)?;
        let gain = place.floats([plan.batch, n, 1], gain, dtype)?;
        let noise = place.floats([plan.batch, n, 1], noise, dtype)?;
        Ok([gain, values.mul(&noise)?])
    }
}

/// The kept, dropped and restoring positions of a plan.
fn dropped(plan: &CorruptionPlan, place: &Place) -> Result<Dropped> {
    let kept = plan.kept()?;
    let keeps = kept.first().map_or(0, Vec::len);
    let (mut keep, mut drop, mut restore) = (vec![], vec![], vec![]);
    for (image, kept) in kept.iter().enumerate() {
        keep.extend(kept.iter().map(|&i| i as i64));
        let (mut next_kept, mut next_dropped) = (0, keeps as i64);
        for (token, role) in plan.image(image).iter().enumerate() {
            let next = if *role == Role::Masked {
                drop.push(token as i64);
                &mut next_dropped
            } else {
                &mut next_kept
            };
            restore.push(*next);
            *next += 1;
        }
    }
    Ok(Dropped {
        keep: place.indices([plan.batch, keeps], keep)?,
        dropped: place.indices([plan.batch, plan.tokens - keeps], drop)?,
        restore: place.indices([plan.batch, plan.tokens], restore)?,
    })
}

/// An attention bias [B, 1, N, N] that removes the logits between masked and noised tokens.
fn separation(plan: &CorruptionPlan, geometry: &Geometry, place: &Place, dtype: DType) -> Result<Tensor> {
    // Large enough that the softmax is 0 in every type, small enough that sums stay finite.
    const REMOVED: f32 = -1e9;
    let n = geometry.prefix + plan.tokens;
    let mut bias = vec![0.0; plan.batch * n * n];
    for (image, rows) in bias.chunks_mut(n * n).enumerate() {
        let roles = plan.image(image);
        for (i, a) in roles.iter().enumerate() {
            let row = &mut rows[(geometry.prefix + i) * n + geometry.prefix..][..plan.tokens];
            for (value, b) in row.iter_mut().zip(roles) {
                if matches!((a, b), (Role::Masked, Role::Noised) | (Role::Noised, Role::Masked)) {
                    *value = REMOVED;
                }
            }
        }
    }
    place.floats([plan.batch, 1, n, n], bias, dtype)
}

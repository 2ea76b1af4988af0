//! What a step needs on the device before anything is differentiated.

use std::ops::Range;

use super::Model;
use super::noise::{NoiseDraws, NoisedPatches};
use crate::corruption::{CorruptionPlan, NoiseSite, PlanRequest, Role, TokenNoise};
use crate::data::Batch;
use crate::draws::Draws;
use crate::encoder::{Coordinates, DropPath, patchify};
use crate::geometry::Geometry;
use crate::objective::TokenWeights;
use crate::restoration::{KeptTokens, MaskTokens};
use crate::teacher::TeacherTokens;
use crate::tensor::{DType, DeviceHandle, Tensor};
use crate::{Error, Result};

/// What a step is run for.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// Optimiser steps done: the number that noise and drop path are drawn by.
    pub step: u64,
    /// Whether drop path is drawn.
    pub training: bool,
    /// Whether attention is looked at where no objective asks for it, too.
    pub observe: bool,
}

impl Mode {
    /// A step that is only looked at: no path is dropped, and no attention read but what objectives ask for.
    pub const fn evaluation(step: u64) -> Self {
        Self { step, training: false, observe: false }
    }
}

/// What a step computes before anything is differentiated: the batch and plan as tensors.
pub struct StepInputs<'a> {
    /// The plan.
    pub plan: &'a CorruptionPlan,
    /// Clean patches [B, L, C*p*p].
    pub patches: Tensor,
    pub(super) batch: &'a Batch,
    /// What the plan was asked for.
    pub(super) request: PlanRequest<'a>,
    /// Where noise is on the pixels, or a target is made of it.
    pub(super) noised: Option<NoisedPatches>,
    /// For the tokens that the site gives, where noise is on tokens.
    pub(super) token_noise: Option<TokenNoise>,
    /// [B, L, 1], true where the mask token goes.
    pub(super) masked: Option<Tensor>,
    /// [B * L], the token that each is taken from.
    pub(super) source: Option<Tensor>,
    pub(super) dropped: Option<KeptTokens>,
    /// Some blocks, and a bias [B, 1, P + L, P + L] on their attention.
    pub(super) separation: Option<(Range<usize>, Tensor)>,
    pub(super) drop_path: Option<DropPath>,
    pub(super) coordinates: Option<Coordinates>,
    pub(super) weights: TokenWeights,
    /// Teachers' tokens.
    pub(super) teacher: Option<TeacherTokens>,
    pub(super) observe: bool,
}

impl Model {
    /// Uploads what a step needs that no gradient flows through, in a float type.
    /// [`Model::with_teacher`] and [`Model::with_frozen`] add what teachers give.
    ///
    /// # Errors
    /// The backend's failure, or a batch that doesn't fit the model.
    pub fn prepare<'a>(
        &'a self,
        device: &DeviceHandle,
        dtype: DType,
        batch: &'a Batch,
        plan: &'a CorruptionPlan,
        mode: Mode,
    ) -> Result<StepInputs<'a>> {
        let geometry = *self.geometry();
        let [b, l] = [batch.len(), geometry.tokens()];
        if batch.shape[1..] != [geometry.channels, geometry.height, geometry.width] {
            return Err(Error::failure(format!(
                "images of {:?} don't fit a model for {:?}",
                &batch.shape[1..],
                [geometry.channels, geometry.height, geometry.width]
            )));
        }
        let draws = Draws { seed: self.seed, step: mode.step, first_sample: batch.first_sample };
        let noise = NoiseDraws { device, dtype, draws };
        let request = PlanRequest { progress: plan.progress, ..self.request(batch, mode.step) };
        let mask_tokens = self.style == MaskTokens::InEncoder && plan.has_masked();

        let images = batch.images(device, dtype)?;
        let patches = patchify(&images, &geometry)?;
        let noised = (self.site.on_pixels() || self.needs.target.pixel_noise)
            .then(|| self.noised_patches(&noise, &patches, request, plan))
            .transpose()?;
        let dropped = (self.style == MaskTokens::InDecoder).then(|| dropped(plan, device)).transpose()?;
        let masked = (mask_tokens && !plan.substitutive)
            .then(|| device.bools([b, l, 1], plan.roles.iter().map(|&role| role == Role::Masked).collect()))
            .transpose()?;
        let token_noise = match self.site {
            NoiseSite::Embedding | NoiseSite::Block(_) if plan.has_noise() => {
                Some(self.token_noise(&noise, plan)?)
            }
            _ => None,
        };
        let source = plan
            .source
            .as_ref()
            .map(|source| device.indices([b * l], source.iter().map(|&s| i64::from(s)).collect()))
            .transpose()?;
        let separation = self
            .needs
            .separate
            .clone()
            .map(|blocks| Ok((blocks, separation(plan, &geometry, device, dtype)?)))
            .transpose()?;
        let rate = self.encoder.drop_path();
        let drop_path = (mode.training && rate > 0.0)
            .then(|| DropPath::draw(device, draws, b, geometry.depth, rate, dtype))
            .transpose()?;
        Ok(StepInputs {
            plan,
            patches,
            batch,
            request,
            noised,
            token_noise,
            masked,
            source,
            dropped,
            separation,
            drop_path,
            coordinates: mode.training.then(|| self.encoder.coordinates(self.seed, mode.step)).flatten(),
            weights: TokenWeights::new(plan, device, dtype)?,
            teacher: None,
            observe: mode.observe && mask_tokens,
        })
    }
}

/// The kept, dropped and restoring positions of a plan.
fn dropped(plan: &CorruptionPlan, device: &DeviceHandle) -> Result<KeptTokens> {
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
    Ok(KeptTokens {
        keep: device.indices([plan.batch, keeps], keep)?,
        dropped: device.indices([plan.batch, plan.tokens - keeps], drop)?,
        restore: device.indices([plan.batch, plan.tokens], restore)?,
    })
}

/// An attention bias [B, 1, N, N] that removes the logits between masked and noised tokens.
fn separation(
    plan: &CorruptionPlan,
    geometry: &Geometry,
    device: &DeviceHandle,
    dtype: DType,
) -> Result<Tensor> {
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
    device.floats([plan.batch, 1, n, n], bias, dtype)
}

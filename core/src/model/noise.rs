//! The noise of a step as tensors: on pixels, or on tokens.

use super::Model;
use crate::Result;
use crate::corruption::noise::{NoiseValues, normal_values};
use crate::corruption::{Application, CorruptionPlan, PlanRequest, TokenNoise};
use crate::draws::Draws;
use crate::restoration::MaskTokens;
use crate::tensor::{DType, DeviceHandle, Tensor};

/// What is drawn at random for a tensor of noise; each draws from its own stream.
const PIXEL_DRAW: u64 = 1;
const TOKEN_DRAW: u64 = 2;

/// Where a step's noise values come from, and where they go.
pub(super) struct NoiseDraws<'a> {
    pub(super) device: &'a DeviceHandle,
    pub(super) dtype: DType,
    pub(super) draws: Draws,
}

/// Patches with noise on their pixels.
pub(super) struct NoisedPatches {
    /// [B, L, C*p*p]
    pub(super) patches: Tensor,
    /// The noise values before they were scaled, of the same shape.
    pub(super) eps: Tensor,
}

impl Model {
    /// Clean patches [B, L, C*p*p] with the plan's noise on the pixels, as the strategy applies it.
    pub(super) fn noised_patches(
        &self,
        draws: &NoiseDraws<'_>,
        patches: &Tensor,
        request: PlanRequest<'_>,
        plan: &CorruptionPlan,
    ) -> Result<NoisedPatches> {
        let levels = [plan.signal.clone(), plan.sigma.clone()];
        let (noise, eps) =
            self.drawn(draws, plan.batch, levels, self.geometry().patch_values(), PIXEL_DRAW)?;
        let application = Application {
            request,
            plan,
            site: self.site,
            tokens: patches,
            prefix: 0,
            kept: None,
            noise: plan.has_noise().then_some(&noise),
        };
        let applied = if self.site.on_pixels() { self.corruption.apply(&application)? } else { None };
        Ok(NoisedPatches { patches: applied.map_or_else(|| noise.on(patches), Ok)?, eps })
    }

    /// The plan's noise for the tokens where it enters: all patches before `assemble`, prefix and kept
    /// tokens at a block.
    pub(super) fn token_noise(&self, draws: &NoiseDraws<'_>, plan: &CorruptionPlan) -> Result<TokenNoise> {
        let geometry = self.geometry();
        let (mut signal, mut sigma) = (vec![], vec![]);
        let at_block = self.site.block().is_some();
        let kept = (at_block && self.style == MaskTokens::InDecoder).then(|| plan.kept()).transpose()?;
        for image in 0..plan.batch {
            if at_block {
                let (a, s) = plan.prefix.as_ref().map_or((1.0, 0.0), |prefix| prefix[image]);
                signal.extend(std::iter::repeat_n(a, geometry.prefix));
                sigma.extend(std::iter::repeat_n(s, geometry.prefix));
            }
            let base = image * plan.tokens;
            let mut push = |token: usize| {
                signal.push(plan.signal[base + token]);
                sigma.push(plan.sigma[base + token]);
            };
            match &kept {
                Some(kept) => kept[image].iter().for_each(|&token| push(token)),
                None => (0..plan.tokens).for_each(&mut push),
            }
        }
        Ok(self.drawn(draws, plan.batch, [signal, sigma], geometry.dim, TOKEN_DRAW)?.0)
    }

    /// Noise of a signal's factor and a standard deviation for each of [B, N] tokens of `width` values, and the
    /// standard normal eps [B, N, width] in it.
    fn drawn(
        &self,
        NoiseDraws { device, dtype, draws }: &NoiseDraws<'_>,
        b: usize,
        [signal, sigma]: [Vec<f32>; 2],
        width: usize,
        draw: u64,
    ) -> Result<(TokenNoise, Tensor)> {
        let n = signal.len() / b;
        let Draws { seed, step, first_sample } = *draws;
        let eps = match self.noise.as_ref().map(|noise| noise.settings.values) {
            Some(NoiseValues::Device) => device.random_normal([b, n, width], *dtype)?,
            _ => {
                let values = normal_values(seed, step, first_sample, b, n * width, draw);
                device.floats([b, n, width], values, *dtype)?
            }
        };
        let signal = device.floats([b, n, 1], signal, *dtype)?;
        let noise = eps.mul(&device.floats([b, n, 1], sigma, *dtype)?)?;
        Ok((TokenNoise { signal, noise }, eps))
    }
}

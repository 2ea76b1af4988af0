//! A step's forward pass: from patches to losses.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::{Model, StepInputs};
use crate::corruption::noise::EmbeddedIn;
use crate::corruption::{Application, CorruptionPlan, NoiseSite};
use crate::encoder::{AttentionTap, BlockContext, Probabilities};
use crate::objective::{NamedLoss, StepOutput};
use crate::params::Params;
use crate::restoration::{MaskTokens, Restorable};
use crate::target::TargetInput;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// The products of a step's forward pass.
pub struct Forward {
    /// The objectives' losses, in the recipe's order.
    pub losses: Vec<NamedLoss>,
    /// Scalars that are logged without being minimised.
    pub metrics: Vec<(String, Tensor)>,
    /// Predictions by head, [B, L, width].
    pub predictions: BTreeMap<String, Tensor>,
}

impl Forward {
    /// The weighted sum of the losses.
    ///
    /// # Errors
    /// A recipe whose objectives have nothing to look at.
    pub fn total(&self) -> Result<Tensor> {
        NamedLoss::total(&self.losses)?.ok_or_else(|| {
            Error::user("no objective has anything to restore: nothing is masked or noised")
                .help("raise corruption.ratio, or choose objectives with on = \"all\"")
        })
    }
}

impl Model {
    /// The whole forward pass.
    pub fn forward(&self, params: &Params, prepared: &StepInputs<'_>) -> Result<Forward> {
        let tokens = self.embed(params, prepared)?;
        let (tokens, attention) = self.run_blocks(params, tokens, 0..self.geometry().depth, prepared)?;
        self.losses(params, &tokens, attention, prepared)
    }

    /// From patches to the tokens that enter block 0, [B, P + K, D].
    pub fn embed(&self, params: &Params, prepared: &StepInputs<'_>) -> Result<Tensor> {
        let patches = match &prepared.noised {
            Some(noised) if self.site.encoder_sees_patches(prepared.plan) => &noised.patches,
            _ => &prepared.patches,
        };
        let mut z = self.encoder.embed(params, patches)?; // [B, L, C*p*p] -> [B, L, D]
        if let Some(source) = &prepared.source {
            let [b, l, d] = z.shape().array()?;
            z = z.reshape([b * l, d])?.index_select(0, source)?.reshape([b, l, d])?;
        }
        if self.site == NoiseSite::Embedding {
            z = self.inject(params, z, prepared)?;
        }
        if let (Some(masked), Some(mask_token)) = (&prepared.masked, self.mask_token) {
            z = masked.where_(&params[mask_token], &z)?; // [B, L, 1], [1, 1, D], [B, L, D]
        }
        if self.site.on_pixels()
            && let Some(timestep) = self.timestep(params, prepared.plan, EmbeddedIn::Encoder)?
        {
            z = z.add(&timestep)?; // [B, 1, D]
        }
        let keep = prepared.dropped.as_ref().map(|dropped| &dropped.keep); // [B, K]
        self.encoder.assemble(params, &z, keep)
    }

    /// The embedded timestep [B, 1, W], if it is told to that part.
    fn timestep(&self, params: &Params, plan: &CorruptionPlan, part: EmbeddedIn) -> Result<Option<Tensor>> {
        let (Some(embedder), Some(noise)) = (&self.timestep, &self.noise) else { return Ok(None) };
        if noise.settings.embedded_in != part {
            return Ok(None);
        }
        embedder.forward(params, &plan.timestep).map(Some)
    }

    /// Noise and its embedded level on the tokens of the site, [B, N, D].
    fn inject(&self, params: &Params, tokens: Tensor, prepared: &StepInputs<'_>) -> Result<Tensor> {
        let at_block = self.site.block().is_some();
        let application = Application {
            request: prepared.request,
            plan: prepared.plan,
            site: self.site,
            tokens: &tokens,
            prefix: if at_block { self.geometry().prefix } else { 0 },
            kept: prepared.dropped.as_ref().filter(|_| at_block).map(|dropped| &dropped.keep),
            noise: prepared.token_noise.as_ref(),
        };
        let tokens = match (self.corruption.apply(&application)?, &prepared.token_noise) {
            (Some(applied), _) => applied,
            (None, Some(noise)) => noise.on(&tokens)?,
            (None, None) => tokens,
        };
        match self.timestep(params, prepared.plan, EmbeddedIn::Encoder)? {
            Some(timestep) => tokens.add(&timestep),
            None => Ok(tokens),
        }
    }

    /// Runs some of the blocks on tokens [B, P + K, D], with the noise before its block.
    pub fn run_blocks(
        &self,
        params: &Params,
        mut tokens: Tensor,
        range: Range<usize>,
        prepared: &StepInputs<'_>,
    ) -> Result<(Tensor, Vec<Probabilities>)> {
        let tap = self.tap(prepared.observe);
        let noised = self.site.block().filter(|k| range.contains(k));
        // Runs of blocks between which something changes.
        let mut cuts = vec![range.start, range.end];
        cuts.extend(noised);
        if let Some((separated, _)) = &prepared.separation {
            cuts.extend([separated.start, separated.end].into_iter().filter(|cut| range.contains(cut)));
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut attention = vec![];
        for run in cuts.windows(2) {
            let run = run[0]..run[1];
            if noised == Some(run.start) {
                tokens = self.inject(params, tokens, prepared)?;
            }
            let bias = prepared.separation.as_ref().filter(|(range, _)| range.contains(&run.start));
            let context = BlockContext {
                bias: bias.map(|(_, bias)| bias),
                drop_path: prepared.drop_path.as_ref(),
                tap: tap.clone(),
                keep: prepared.dropped.as_ref().map(|dropped| &dropped.keep),
                coordinates: prepared.coordinates,
                angles: None,
            };
            let (next, mut probs) = self.encoder.blocks(params, tokens, run, &context)?;
            tokens = next;
            attention.append(&mut probs);
        }
        Ok((tokens, attention))
    }

    /// The blocks whose attention is tapped.
    fn tap(&self, observe: bool) -> AttentionTap {
        AttentionTap {
            differentiate: self.needs.attention.clone(),
            observe: observe.then(|| self.site.first_block()..self.geometry().depth),
        }
    }

    /// From the last block's tokens to what objectives read.
    fn step_output<'a>(
        &'a self,
        params: &Params,
        tokens: &Tensor,
        attention: Vec<Probabilities>,
        prepared: &'a StepInputs<'_>,
    ) -> Result<StepOutput<'a>> {
        let plan = prepared.plan;
        let encoded = self.encoder.norm(params, tokens)?; // [B, P + K, D]
        let timestep = self.timestep(params, plan, EmbeddedIn::Decoder)?; // [B, 1, W]
        let noised = prepared.noised.as_ref();
        let restorable = Restorable {
            encoded: &encoded,
            dropped: prepared.dropped.as_ref(),
            noised_patches: noised
                .filter(|_| self.site.decoder_sees_patches(plan))
                .map(|noised| &noised.patches),
            timestep: timestep.as_ref(),
        };
        let restored = self.decoder.restore(params, &restorable)?; // [B, L, W]
        let mut predictions = BTreeMap::new();
        for (name, head) in &self.heads {
            predictions.insert(name.clone(), head.forward(params, &restored)?); // [B, L, width]
        }
        Ok(StepOutput {
            input: TargetInput {
                geometry: self.geometry(),
                batch: prepared.batch,
                patches: &prepared.patches,
                noised: noised.map(|noised| &noised.patches),
                eps: noised.map(|noised| &noised.eps),
                teacher: prepared.teacher.as_ref(),
            },
            plan,
            site: self.site,
            weights: &prepared.weights,
            predictions,
            attention,
            mask_tokens_encoded: self.style == MaskTokens::InEncoder,
            shared: RefCell::default(),
        })
    }

    /// From the last block's tokens to losses.
    pub fn losses(
        &self,
        params: &Params,
        tokens: &Tensor,
        attention: Vec<Probabilities>,
        prepared: &StepInputs<'_>,
    ) -> Result<Forward> {
        let step = self.step_output(params, tokens, attention, prepared)?;
        let mut losses = vec![];
        for (name, objective) in &self.objectives {
            if let Some(value) = objective.loss(&step)? {
                losses.push(NamedLoss { name: name.clone(), weight: objective.weight(), value });
            }
        }
        let metrics = if prepared.observe { self.attention_metrics(&step)? } else { vec![] };
        Ok(Forward { losses, metrics, predictions: step.predictions })
    }

    /// The restored patches [B, L, C*p*p] as pixels, where an objective restores something that can
    /// be shown.
    pub fn restored_pixels(&self, params: &Params, prepared: &StepInputs<'_>) -> Result<Option<Tensor>> {
        let tokens = self.embed(params, prepared)?;
        let (tokens, attention) = self.run_blocks(params, tokens, 0..self.geometry().depth, prepared)?;
        let step = self.step_output(params, &tokens, attention, prepared)?;
        for (_, objective) in &self.objectives {
            if let Some(pixels) = objective.restored_pixels(&step)? {
                return Ok(Some(pixels));
            }
        }
        Ok(None)
    }

    /// Cross mass and row entropy, logged whether or not they are minimised.
    fn attention_metrics(&self, step: &StepOutput<'_>) -> Result<Vec<(String, Tensor)>> {
        let first = self.site.first_block();
        let blocks: Vec<Probabilities> = step
            .attention
            .iter()
            .filter(|probs| probs.block >= first)
            .map(|probs| Ok(Probabilities { block: probs.block, values: probs.values.detach()? }))
            .collect::<Result<_>>()?;
        let Some(statistics) = step.attention_statistics()? else { return Ok(vec![]) };
        if blocks.is_empty() {
            return Ok(vec![]);
        }
        let blocks: Vec<&Probabilities> = blocks.iter().collect();
        let there = statistics.masked_to_noised(&blocks)?;
        let back = statistics.noised_to_masked(&blocks)?;
        Ok(vec![
            ("attention/cross_mass".to_owned(), there.add(&back)?.mul_scalar(0.5)?),
            ("attention/row_entropy_gap".to_owned(), statistics.row_entropy_gap(&blocks)?),
        ])
    }
}

//! A step's forward pass: from patches to losses.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::{Model, Prepared};
use crate::corruption::{Application, CorruptionPlan, Injection, PlanRequest};
use crate::encoder::{AttentionTap, BlockContext, Probabilities};
use crate::objective::{AttentionStatistics, StepOutput, first_corrupted_block};
use crate::params::Params;
use crate::restoration::{Restorable, Style};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// A named scalar of a step.
#[derive(Debug, Clone)]
pub struct NamedLoss {
    /// The objective's name in the recipe.
    pub name: String,
    /// The factor in the total.
    pub weight: f64,
    /// The loss, a scalar.
    pub value: Tensor,
}

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
        let mut total: Option<Tensor> = None;
        for loss in self.losses.iter().filter(|loss| loss.weight != 0.0) {
            let term = loss.value.mul_scalar(loss.weight)?;
            total = Some(match total {
                Some(total) => total.add(&term)?,
                None => term,
            });
        }
        total.ok_or_else(|| {
            Error::user("no objective has anything to restore: nothing is masked or noised")
                .mend("raise corruption.ratio, or choose objectives with on = \"all\"")
        })
    }
}

impl Model {
    /// The whole forward pass.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn forward(&self, params: &Params, prepared: &Prepared<'_>) -> Result<Forward> {
        let tokens = self.enter(params, prepared)?;
        let (tokens, attention) = self.run_blocks(params, tokens, 0..self.geometry().depth, prepared)?;
        self.leave(params, &tokens, attention, prepared)
    }

    /// From patches to the tokens that enter block 0, [B, P + K, D].
    ///
    /// # Errors
    /// The backend's failure.
    pub fn enter(&self, params: &Params, prepared: &Prepared<'_>) -> Result<Tensor> {
        let plan = prepared.plan;
        let encoder_sees_noise =
            plan.injection == Injection::Pixels && !(plan.substitutive && self.style == Style::Decoder);
        let patches = match &prepared.noised {
            Some(noised) if encoder_sees_noise => noised,
            _ => &prepared.patches,
        };
        let mut z = self.encoder.embed(params, patches)?;
        if let Some(source) = &prepared.source {
            let [b, l, d] = z.shape().array()?;
            z = z.reshape([b * l, d])?.index_select(0, source)?.reshape([b, l, d])?;
        }
        if plan.injection == Injection::Embedding {
            z = self.inject(params, z, prepared)?;
        }
        if let (Some(masked), Some(mask_token)) = (&prepared.masked, self.mask_token) {
            z = masked.choose(&params[mask_token], &z)?;
        }
        if plan.injection == Injection::Pixels
            && prepared.noised.is_some()
            && let Some(level) = self.level(params, plan, Style::Encoder)?
        {
            z = z.add(&level)?;
        }
        self.encoder.assemble(params, &z, prepared.dropped.as_ref().map(|d| &d.keep))
    }

    /// The embedded level [B, 1, W], if it is told to `side`.
    fn level(&self, params: &Params, plan: &CorruptionPlan, side: Style) -> Result<Option<Tensor>> {
        let (Some(embedder), Some(noise)) = (&self.level, &self.noise) else { return Ok(None) };
        if noise.settings.embedded_in != side {
            return Ok(None);
        }
        embedder.forward(params, &plan.level).map(Some)
    }

    /// Noise and its embedded level on tokens.
    fn inject(&self, params: &Params, tokens: Tensor, prepared: &Prepared<'_>) -> Result<Tensor> {
        let mut tokens = tokens;
        let plan = prepared.plan;
        let at_block = matches!(plan.injection, Injection::Block(_));
        let application = Application {
            request: PlanRequest { progress: plan.progress, ..self.request(prepared.batch, prepared.step) },
            plan,
            tokens: &tokens,
            prefix: if at_block { self.geometry().prefix } else { 0 },
            kept: prepared.dropped.as_ref().filter(|_| at_block).map(|dropped| &dropped.keep),
            noise: prepared.token_noise.as_ref().map(|[gain, noise]| [gain, noise]),
        };
        if let Some(applied) = self.corruption.apply(&application)? {
            tokens = applied;
        } else if let Some([gain, noise]) = &prepared.token_noise {
            tokens = tokens.mul(gain)?.add(noise)?;
        }
        match self.level(params, prepared.plan, Style::Encoder)? {
            Some(level) => tokens.add(&level),
            None => Ok(tokens),
        }
    }

    /// Runs some of the blocks, with the injection before its block.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn run_blocks(
        &self,
        params: &Params,
        mut tokens: Tensor,
        range: Range<usize>,
        prepared: &Prepared<'_>,
    ) -> Result<(Tensor, Vec<Probabilities>)> {
        let tap = self.tap(prepared.observe);
        let injection = match prepared.plan.injection {
            Injection::Block(k) if self.injection.is_some() && range.contains(&k) => Some(k),
            _ => None,
        };
        // Runs of blocks between which something changes.
        let mut cuts = vec![range.start, range.end];
        cuts.extend(injection);
        if let Some((separated, _)) = &prepared.separation {
            cuts.extend([separated.start, separated.end].into_iter().filter(|cut| range.contains(cut)));
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut attention = vec![];
        for run in cuts.windows(2) {
            let run = run[0]..run[1];
            if injection == Some(run.start) {
                tokens = self.inject(params, tokens, prepared)?;
            }
            let bias = prepared.separation.as_ref().filter(|(range, _)| range.contains(&run.start));
            let context = BlockContext {
                bias: bias.map(|(_, bias)| bias),
                drop_path: prepared.drop_path.as_ref(),
                tap: tap.clone(),
            };
            let (next, mut probs) = self.encoder.blocks(params, tokens, run, &context)?;
            tokens = next;
            attention.append(&mut probs);
        }
        Ok((tokens, attention))
    }

    /// The blocks whose attention is tapped.
    fn tap(&self, observe: bool) -> AttentionTap {
        let depth = self.geometry().depth;
        let injection = self.injection();
        let ranges = self.objectives.iter().filter_map(|(_, o)| o.attention(depth, injection));
        let differentiate = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        let observe = observe.then(|| first_corrupted_block(injection)..depth);
        AttentionTap { differentiate: differentiate.filter(|_| self.style == Style::Encoder), observe }
    }

    /// From the last block's tokens to what objectives read.
    fn step_output<'a>(
        &'a self,
        params: &Params,
        tokens: &Tensor,
        attention: Vec<Probabilities>,
        prepared: &'a Prepared<'_>,
    ) -> Result<StepOutput<'a>> {
        let plan = prepared.plan;
        let encoded = self.encoder.norm(params, tokens)?;
        let level = self.level(params, plan, Style::Decoder)?;
        let substituted = plan.substitutive && plan.injection == Injection::Pixels;
        let restored = self.decoder.restore(
            params,
            &Restorable {
                encoded: &encoded,
                dropped: prepared.dropped.as_ref(),
                noised_patches: prepared.noised.as_ref().filter(|_| substituted),
                level: level.as_ref(),
            },
        )?;
        let mut predictions = BTreeMap::new();
        for (name, head) in &self.heads {
            predictions.insert(name.clone(), head.forward(params, &restored)?);
        }
        Ok(StepOutput {
            geometry: self.geometry(),
            batch: prepared.batch,
            plan,
            injection: self.injection(),
            patches: &prepared.patches,
            noised: prepared.noised.as_ref(),
            noise: prepared.noise.as_ref(),
            weights: &prepared.weights,
            predictions,
            attention,
            mask_tokens_encoded: self.style == Style::Encoder,
            shared: RefCell::default(),
        })
    }

    /// From the last block's tokens to losses.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn leave(
        &self,
        params: &Params,
        tokens: &Tensor,
        attention: Vec<Probabilities>,
        prepared: &Prepared<'_>,
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
    ///
    /// # Errors
    /// The backend's failure.
    pub fn restored_pixels(&self, params: &Params, prepared: &Prepared<'_>) -> Result<Option<Tensor>> {
        let tokens = self.enter(params, prepared)?;
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
        let first = first_corrupted_block(self.injection());
        let (place, dtype) = (step.patches.place(), step.patches.dtype());
        let blocks: Vec<Probabilities> = step
            .attention
            .iter()
            .filter(|probs| probs.block >= first)
            .map(|probs| Ok(Probabilities { block: probs.block, values: probs.values.detach()? }))
            .collect::<Result<_>>()?;
        let Some(statistics) = AttentionStatistics::new(step.plan, step.geometry.prefix, &place, dtype)?
        else {
            return Ok(vec![]);
        };
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

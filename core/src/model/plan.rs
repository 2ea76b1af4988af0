//! The plan of a step, and what a strategy looks at before it makes one.

use super::Model;
use crate::backend::NoGrad;
use crate::corruption::{self, CorruptionPlan, Observation, PlanRequest};
use crate::data::Batch;
use crate::encoder::{AttentionTap, BlockContext, patchify};
use crate::params::Params;
use crate::tensor::{DType, Tensor};
use crate::{Error, Result};

impl Model {
    /// The plan of a batch at a step. `scores` are those of [`Model::scores`].
    ///
    /// # Errors
    /// The strategy's failure.
    pub fn plan(
        &self,
        batch: &Batch,
        step: u64,
        progress: f32,
        scores: Option<&[f32]>,
    ) -> Result<CorruptionPlan> {
        let request = PlanRequest { progress, scores, ..self.request(batch, step) };
        corruption::plan(&*self.corruption, self.noise.as_ref(), &request)
    }

    pub(super) fn request(&self, batch: &Batch, step: u64) -> PlanRequest<'_> {
        PlanRequest {
            geometry: self.geometry(),
            batch: batch.len(),
            seed: self.seed,
            step,
            first_sample: batch.first_sample,
            progress: 0.0,
            scores: None,
        }
    }

    /// The scores [B, L] of a strategy that looks at features before it plans; `None` for one that
    /// doesn't. No gradient is recorded.
    ///
    /// # Errors
    /// The backend's or the strategy's failure.
    pub fn scores(&self, params: &Params, batch: &Batch) -> Result<Option<Vec<f32>>> {
        let Some(observation) = self.corruption.observes()? else { return Ok(None) };
        let device = params.device();
        let _quiet = NoGrad::new(&*device.backend);
        let images = batch.images(&device, params.dtype())?;
        let observed = self.observe(params, &patchify(&images, self.geometry())?, observation)?;
        let scores = self.corruption.score(&observed, self.geometry())?.cast(DType::F32)?;
        Ok(Some(scores.download()?.into_f32()))
    }

    /// What a strategy looks at, of clean patches [B, L, C*p*p].
    fn observe(&self, params: &Params, patches: &Tensor, observation: Observation) -> Result<Tensor> {
        let depth = self.geometry().depth;
        let numbered = |block: i32| {
            let from_front = if block < 0 { depth as i64 + i64::from(block) } else { i64::from(block) };
            usize::try_from(from_front).ok().filter(|&block| block < depth).ok_or_else(|| {
                Error::user(format!("the strategy looks at block {block} of an encoder with {depth} blocks"))
                    .at("`corruption.kind`")
            })
        };
        let enter = || self.encoder.assemble(params, &self.encoder.embed(params, patches)?, None);
        let run = |tokens, range, observe| {
            let tap = AttentionTap { differentiate: None, observe };
            self.encoder.blocks(params, tokens, range, &BlockContext { tap, ..BlockContext::default() })
        };
        match observation {
            Observation::Pixels => Ok(patches.clone()),
            Observation::Embedding => self.encoder.embed(params, patches),
            Observation::Features(block) => Ok(run(enter()?, 0..numbered(block)? + 1, None)?.0),
            Observation::Attention(block) => {
                let block = numbered(block)?;
                let (_, mut probs) = run(enter()?, 0..block + 1, Some(block..block + 1))?;
                let last = probs.pop().ok_or_else(|| Error::failure("the encoder gave no attention"))?;
                Ok(last.values)
            }
        }
    }
}

//! What targets see of the same encoder under other parameters.

use std::collections::BTreeMap;

use super::{Model, StepInputs};
use crate::Result;
use crate::backend::NoGrad;
use crate::encoder::BlockContext;
use crate::params::Params;

impl Model {
    /// A prepared step with a teacher: the tokens of the clean images under other parameters of this model (an
    /// average of its weights, those of a finished run), after each number of blocks that a target
    /// [needs](crate::target::TargetNeeds). No gradient flows through them, and no path is dropped.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn with_teacher<'a>(&self, mut prepared: StepInputs<'a>, teacher: &Params) -> Result<StepInputs<'a>> {
        let device = prepared.patches.device();
        let _quiet = NoGrad::new(&*device.backend);
        let embedded = self.encoder.embed(teacher, &prepared.patches)?; // [B, L, D]
        let mut tokens = self.encoder.assemble(teacher, &embedded, None)?; // [B, P + L, D]
        let (mut features, mut done) = (BTreeMap::new(), 0);
        for &blocks in &self.needs.target.teacher {
            (tokens, _) = self.encoder.blocks(teacher, tokens, done..blocks, &BlockContext::default())?;
            done = blocks;
            let last = blocks == self.geometry().depth;
            let seen = if last { self.encoder.norm(teacher, &tokens)? } else { tokens.clone() };
            features.insert(blocks, seen);
        }
        prepared.teacher = Some(features);
        Ok(prepared)
    }
}

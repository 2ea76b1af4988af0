//! An encoder with a head on it, and one forward pass of both.

use std::ops::Range;

use crate::encoder::{BlockContext, Coordinates, DropPath, Encoder, patchify};
use crate::head::{Draws, Examples, Feature, TaskHead, collect_features, run_blocks};
use crate::params::Params;
use crate::tensor::{DType, DeviceHandle, Tensor};
use crate::train::{Pass, Scalars, Taps};
use crate::{Error, Result};

/// An encoder with a head on it.
pub struct Network<H> {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// The head.
    pub head: H,
    /// What the head looks at.
    pub(super) features: Vec<Feature>,
    /// The number of blocks at the bottom that aren't trained.
    pub(super) frozen: usize,
}

/// How a forward pass is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassMode {
    /// The type of the weights.
    pub(super) dtype: DType,
    /// What is drawn goes by the seed and the step.
    pub(super) seed: u64,
    pub(super) step: u64,
    /// The drop-path rate of the last block; 0 outside training.
    pub(super) drop_path: f64,
    /// Whether positions are drawn as in training.
    pub(super) training: bool,
}

impl<H: TaskHead> Network<H> {
    /// The forward pass of a batch, whose images are uploaded to `place`.
    pub(super) fn pass<'a>(
        &'a self,
        device: &DeviceHandle,
        examples: &'a Examples<H::Target>,
        PassMode { dtype, seed, step, drop_path, training }: PassMode,
    ) -> Result<FinetunePass<'a, H>> {
        let geometry = self.encoder.geometry();
        let batch = &examples.batch;
        let images = batch.images(device, dtype)?;
        let draws = Draws { seed, step, first_sample: batch.first_sample };
        let drop_path = (drop_path > 0.0)
            .then(|| DropPath::draw(device, draws, batch.len(), geometry.depth, drop_path, dtype))
            .transpose()?;
        Ok(FinetunePass {
            encoder: &*self.encoder,
            head: &self.head,
            features: &self.features,
            patches: patchify(&images, geometry)?,
            targets: &examples.targets,
            draws,
            drop_path,
            coordinates: training.then(|| self.encoder.coordinates(seed, step)).flatten(),
            frozen: self.frozen,
        })
    }
}

/// A batch on its way through encoder and head.
pub struct FinetunePass<'a, H: TaskHead> {
    /// The encoder.
    pub encoder: &'a dyn Encoder,
    /// The head.
    pub head: &'a H,
    /// What the head looks at.
    pub features: &'a [Feature],
    /// Clean patches [B, L, C*p*p].
    pub patches: Tensor,
    /// Their annotations.
    pub targets: &'a [H::Target],
    /// What the head draws from.
    pub draws: Draws,
    /// Which residual branches are dropped.
    pub drop_path: Option<DropPath>,
    /// Where the step moves the coordinates of positions to.
    pub coordinates: Option<Coordinates>,
    /// The number of blocks at the bottom that aren't trained.
    pub frozen: usize,
}

impl<H: TaskHead> Pass for FinetunePass<'_, H> {
    fn depth(&self) -> usize {
        self.encoder.geometry().depth
    }

    fn frozen(&self) -> usize {
        self.frozen
    }

    fn embed(&self, params: &Params) -> Result<Tensor> {
        self.encoder.assemble(params, &self.encoder.embed(params, &self.patches)?, None)
    }

    fn blocks(&self, params: &Params, tokens: Tensor, range: Range<usize>) -> Result<(Tensor, Taps)> {
        let context = BlockContext {
            drop_path: self.drop_path.as_ref(),
            coordinates: self.coordinates,
            ..BlockContext::default()
        };
        run_blocks(self.encoder, params, tokens, range, self.features, &context)
    }

    fn losses(&self, params: &Params, tokens: &Tensor, taps: Taps) -> Result<(Tensor, Scalars)> {
        let features = collect_features(self.encoder, params, tokens, &taps, self.features)?;
        let losses = self.head.losses(params, &features, self.targets, self.draws)?;
        let mut total: Option<Tensor> = None;
        for loss in losses.iter().filter(|loss| loss.weight != 0.0) {
            let term = loss.value.mul_scalar(loss.weight)?;
            total = Some(match total {
                Some(total) => total.add(&term)?,
                None => term,
            });
        }
        let total = total.ok_or_else(|| Error::failure("the head has no loss"))?;
        let mut scalars = vec![("loss".to_owned(), total.detach()?)];
        for loss in &losses {
            scalars.push((format!("loss/{}", loss.name), loss.value.detach()?));
        }
        Ok((total, scalars))
    }
}

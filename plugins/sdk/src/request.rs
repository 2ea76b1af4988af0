//! What a plan is a function of, besides the strategy's parameters.

use crate::geometry::Geometry;
use crate::random::{Philox, Stream};

/// What a plan is a function of, besides the parameters; nothing else may enter it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PlanRequest<'a> {
    /// Images, patches and encoder.
    pub geometry: Geometry,
    /// Images in the batch, B.
    pub batch: usize,
    /// Patches in an image, L.
    pub tokens: usize,
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step.
    pub step: u64,
    /// The number of the batch's first image, counted over the run; the others follow.
    pub first_sample: u64,
    /// How much of the run is done, 0 to 1.
    pub progress: f64,
    /// What [`Observe::score`](crate::Observe::score) gave for this batch, [B, L].
    pub scores: Option<&'a [f32]>,
}

impl<'a> PlanRequest<'a> {
    /// The scores of image `image` of the batch, \[L\].
    ///
    /// # Panics
    /// Outside the batch.
    #[track_caller]
    pub fn scores_of(&self, image: usize) -> Option<&'a [f32]> {
        self.scores.map(|scores| &scores[image * self.tokens..(image + 1) * self.tokens])
    }

    /// The random numbers of image `image` of the batch in a stream. They stay with the image,
    /// however batches are cut.
    pub fn random(&self, image: usize, stream: Stream) -> Philox {
        Philox::new(self.seed, stream, self.step, self.first_sample.wrapping_add(image as u64))
    }
}

//! What the random draws of a batch are keyed by.

use crate::random::{Philox, Stream};

/// The key of a batch's draws, so that they depend on the run's seed, the step and the sample alone.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    /// The seed.
    pub seed: u64,
    /// The step, from 0.
    pub step: u64,
    /// The number of the batch's first sample, counted over the run; the others follow.
    pub first_sample: u64,
}

impl Draws {
    /// The batch's image `i` in a stream.
    pub fn stream(&self, stream: Stream, i: usize) -> Philox {
        Philox::new(self.seed, stream, self.step, self.first_sample + i as u64)
    }

    /// What a head draws for the batch's image `i`.
    pub fn of_image(&self, i: usize) -> Philox {
        self.stream(Stream::Head, i)
    }
}

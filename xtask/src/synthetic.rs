//! Data that cost nothing, to measure and count what comes after them.

use palimpsest_core::Result;
use palimpsest_core::data::{Batch, BatchSource};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::recipe::Recipe;

/// One batch of normal values, again and again.
pub(crate) struct Synthetic {
    batch: Batch,
    step: u64,
}

impl Synthetic {
    pub(crate) fn new(recipe: &Recipe) -> Self {
        let size = recipe.data.image_size;
        let shape = [recipe.train.batch, recipe.data.channels, size, size];
        let mut pixels = vec![0.0; shape.iter().product()];
        Philox::new(recipe.run.seed, Stream::Test, 0, 0).fill_normal(&mut pixels);
        let batch = Batch {
            pixels: pixels.into(),
            shape,
            labels: vec![-1; shape[0]],
            indices: (0..shape[0]).collect(),
            first_sample: 0,
        };
        Self { batch, step: 0 }
    }
}

impl BatchSource for Synthetic {
    fn next_batch(&mut self) -> Result<Batch> {
        let mut batch = self.batch.clone();
        batch.first_sample = self.step * batch.len() as u64;
        self.step += 1;
        Ok(batch)
    }

    fn seek(&mut self, step: u64) -> Result<()> {
        self.step = step;
        Ok(())
    }

    fn steps_per_epoch(&self) -> u64 {
        1000
    }
}

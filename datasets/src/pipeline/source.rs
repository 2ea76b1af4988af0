//! What makes one image of a batch.

use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Normalisation};
use palimpsest_core::random::Philox;

use crate::transform::{Scratch, Transform};

/// Makes the images of batches one by one, each with its annotation.
pub trait SampleSource: Send + Sync + 'static {
    /// The annotation of an image.
    type Target: Send + 'static;

    /// How many samples there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The index of a sample in the part that it was drawn from.
    fn origin(&self, index: usize) -> usize {
        index
    }
    /// [channels, height, width] of the images.
    fn shape(&self) -> [usize; 3];
    /// Where a sample comes from, for messages.
    fn location(&self, index: usize) -> String;
    /// The class of a sample, -1 for none.
    fn label(&self, index: usize) -> i64;
    /// Loads a sample and writes its normalised planes to `out`, drawing from `random`.
    ///
    /// # Errors
    /// A broken file.
    fn sample(
        &self,
        index: usize,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<Self::Target>;
    /// What normalises the planes, where [`SampleSource::bytes`] may give them as they are stored.
    fn normalisation(&self) -> Option<&Arc<Normalisation>> {
        None
    }
    /// As [`SampleSource::sample`], but writes bytes that are yet to be normalised; none for a sample that has more than
    /// 8 bits.
    ///
    /// # Errors
    /// A broken file.
    fn bytes(
        &self,
        _index: usize,
        _random: &mut Philox,
        _scratch: &mut Scratch,
        _out: &mut [u8],
    ) -> Result<Option<Self::Target>> {
        Ok(None)
    }
}

/// Images alone, as pre-training takes them.
pub struct Images {
    /// The data set.
    pub dataset: Arc<dyn Dataset>,
    /// Crop, flip, resize and normalisation.
    pub transform: Transform,
}

impl SampleSource for Images {
    type Target = ();

    fn len(&self) -> usize {
        self.dataset.len()
    }
    fn shape(&self) -> [usize; 3] {
        self.transform.shape()
    }
    fn location(&self, index: usize) -> String {
        self.dataset.location(index)
    }
    fn label(&self, index: usize) -> i64 {
        self.dataset.label(index).map_or(-1, i64::from)
    }
    fn sample(
        &self,
        index: usize,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<()> {
        self.transform.apply(self.dataset.load(index)?, random, scratch, out)
    }
    fn normalisation(&self) -> Option<&Arc<Normalisation>> {
        Some(self.transform.normalisation())
    }
    fn bytes(
        &self,
        index: usize,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<Option<()>> {
        let is_8_bit = self.transform.bytes(self.dataset.load(index)?, random, scratch, out)?;
        Ok(is_8_bit.then_some(()))
    }
}

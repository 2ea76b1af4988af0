//! Targets that are made from the pictures themselves: what a head of one's own needs least for.

use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::head::{ExampleSource, Examples, ExamplesRequest, Target, TaskExamples};
use palimpsest_core::random::Philox;

use super::{feed, limited, normalisation, opened};
use crate::augment::Augment;
use crate::eval_loader::EvalLoader;
use crate::loader::{Feed, Loader};
use crate::sampler::Sampler;
use crate::transform::{Scratch, Transform};

/// What is asked of each picture: the picture as the head is to see it, of the same size, and what is true
/// of it. Draws come from the stream, and from nothing else.
pub type Derive<T> = Arc<dyn Fn(Image, &mut Philox) -> Result<(Image, T)> + Send + Sync>;

/// The data of a request, of whose pictures the middle square is taken and given to `derive`.
///
/// # Errors
/// Data that can't be opened.
pub fn derived<T: Target>(
    request: &ExamplesRequest<'_>,
    derive: impl Fn(Image, &mut Philox) -> Result<(Image, T)> + Send + Sync + 'static,
) -> Result<Box<dyn TaskExamples<T>>> {
    let (train, test, notes) = opened(request)?;
    let [mean, std] = normalisation(request);
    let [channels, size, _] = request.image;
    let [most_train, most_test] = request.limits;
    Ok(Box::new(Derived {
        train: limited(train, most_train, request.seed),
        test: limited(test, most_test, request.seed),
        notes,
        transform: Transform::new(size, channels, Augment::centre(size), &mean, &std)?,
        derive: Arc::new(derive),
        feed: feed(request, 1),
    }))
}

struct Derived<T> {
    train: Arc<dyn Dataset>,
    test: Arc<dyn Dataset>,
    notes: Vec<String>,
    transform: Transform,
    derive: Derive<T>,
    feed: Feed,
}

struct DerivedSampler<T> {
    dataset: Arc<dyn Dataset>,
    transform: Transform,
    derive: Derive<T>,
}

impl<T: Target> Sampler for DerivedSampler<T> {
    type Target = T;

    fn len(&self) -> usize {
        self.dataset.len()
    }
    fn shape(&self) -> [usize; 3] {
        self.transform.shape()
    }
    fn place(&self, index: usize) -> String {
        self.dataset.place(index)
    }
    fn label(&self, index: usize) -> i64 {
        self.dataset.label(index).map_or(-1, i64::from)
    }
    fn sample(&self, index: usize, random: &mut Philox, scratch: &mut Scratch, out: &mut [f32]) -> Result<T> {
        let square = self.transform.square(self.dataset.load(index)?, random, scratch)?;
        let (image, target) = (self.derive)(square, random)?;
        self.transform.normalised(&image, out);
        Ok(target)
    }
}

impl<T: Target> Derived<T> {
    fn sampler(&self, dataset: &Arc<dyn Dataset>) -> DerivedSampler<T> {
        DerivedSampler {
            dataset: dataset.clone(),
            transform: self.transform.clone(),
            derive: self.derive.clone(),
        }
    }
}

impl<T: Target> TaskExamples<T> for Derived<T> {
    fn classes(&self) -> &[String] {
        self.train.classes()
    }

    fn counts(&self) -> [usize; 2] {
        [self.train.len(), self.test.len()]
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn train(&self, batch: usize) -> Result<Box<dyn ExampleSource<T>>> {
        Ok(Box::new(Loader::over(self.sampler(&self.train), &Feed { batch, ..self.feed })?))
    }

    fn test(&self) -> Result<Box<dyn Iterator<Item = Result<Examples<T>>> + '_>> {
        const BATCH: usize = 64;
        let mut loader = EvalLoader::over(self.sampler(&self.test), &Feed { batch: BATCH, ..self.feed })?;
        Ok(Box::new(std::iter::from_fn(move || loader.next_examples())))
    }
}

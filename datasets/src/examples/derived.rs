//! Targets that are made from the images themselves: the simplest source of targets for a custom head.

use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Image, Share, Split};
use palimpsest_core::head::{ExamplesRequest, LabelledLoader, LabelledSplits, PartSize, Pass, Target};
use palimpsest_core::random::Philox;

use crate::augment::Augment;
use crate::draw::{Draw, Positions, Unlabelled};
use crate::eval_loader::{Annotated, EvalLoader};
use crate::loader::{Loader, LoaderOptions};
use crate::parts::Parts;
use crate::recipe_data::DataSource;
use crate::source::SampleSource;
use crate::transform::{Scratch, Transform};

/// An image that something is asked of, and where it is from: an annotation of its own may lie in a table by number, or
/// in a file beside the image's.
pub struct Sample {
    /// Its middle square.
    pub image: Image,
    /// Its part of the data.
    pub split: Split,
    /// Its number in the part, the same in each epoch and whatever was drawn of the part.
    pub index: usize,
    /// Its path; of data that are many images in a file, the file and which of them.
    pub location: String,
}

/// What is asked of each image: the image as the head is to see it, of the same size, and what is true
/// of it. Draws come from the stream, and from nothing else.
pub type Derive<T> = Arc<dyn Fn(Sample, &mut Philox) -> Result<(Image, T)> + Send + Sync>;

/// The data of a request, each of whose images is given to `derive`.
///
/// # Errors
/// Data that can't be opened.
pub fn derived<T: Target>(
    request: &ExamplesRequest<'_>,
    derive: impl Fn(Sample, &mut Philox) -> Result<(Image, T)> + Send + Sync + 'static,
) -> Result<Box<dyn LabelledSplits<T>>> {
    let source = DataSource::from(request);
    let Parts { train, test, notes } = source.images()?;
    let draw = Draw { shots: 0, ..Draw::from(request) };
    let drawn = |part: &dyn Dataset, split| draw.by_class(part, split, Unlabelled::AsAClass);
    let positions = [drawn(&*train, Split::Train)?, drawn(&*test, Split::Test)?];
    Ok(Box::new(Derived {
        sizes: [(&positions[0], &train), (&positions[1], &test)]
            .map(|(positions, part)| positions.size(&**part, Unlabelled::AsAClass)),
        parts: [train, test],
        positions,
        notes,
        transform: source.transform(request.image[1], Augment::centre(request.image[1]))?,
        derive: Arc::new(derive),
        options: source.loader_options(1, request.seed),
    }))
}

struct Derived<T> {
    parts: [Arc<dyn Dataset>; 2],
    positions: [Positions; 2],
    sizes: [PartSize; 2],
    notes: Vec<String>,
    transform: Transform,
    derive: Derive<T>,
    options: LoaderOptions,
}

struct DerivedSource<T> {
    dataset: Arc<dyn Dataset>,
    split: Split,
    positions: Positions,
    transform: Transform,
    derive: Derive<T>,
}

impl<T: Target> SampleSource for DerivedSource<T> {
    type Target = T;

    fn len(&self) -> usize {
        self.positions.len()
    }
    fn origin(&self, index: usize) -> usize {
        self.positions.at(index)
    }
    fn shape(&self) -> [usize; 3] {
        self.transform.shape()
    }
    fn location(&self, index: usize) -> String {
        self.dataset.location(self.origin(index))
    }
    fn label(&self, index: usize) -> i64 {
        self.dataset.label(self.origin(index)).map_or(-1, i64::from)
    }
    fn sample(&self, index: usize, random: &mut Philox, scratch: &mut Scratch, out: &mut [f32]) -> Result<T> {
        let origin = self.origin(index);
        let image = self.transform.square(self.dataset.load(origin)?, random, scratch)?;
        let location = self.dataset.location(origin);
        let sample = Sample { image, split: self.split, index: origin, location };
        let (image, target) = (self.derive)(sample, random)?;
        self.transform.normalised(&image, out);
        Ok(target)
    }
}

impl<T: Target> Derived<T> {
    fn source(&self, split: Split) -> DerivedSource<T> {
        DerivedSource {
            dataset: self.parts[split as usize].clone(),
            split,
            positions: self.positions[split as usize].clone(),
            transform: self.transform.clone(),
            derive: self.derive.clone(),
        }
    }
}

impl<T: Target> LabelledSplits<T> for Derived<T> {
    fn classes(&self) -> &[String] {
        self.parts[0].classes()
    }

    fn sizes(&self) -> [PartSize; 2] {
        self.sizes.clone()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn train(&self, batch: usize, share: Share) -> Result<Box<dyn LabelledLoader<T>>> {
        let options = LoaderOptions { batch, share, ..self.options };
        Ok(Box::new(Loader::over(self.source(Split::Train), &options)?))
    }

    fn pass(&self, split: Split, share: Share) -> Result<Pass<'_, T>> {
        const BATCH: usize = 64;
        let options = LoaderOptions { batch: BATCH, share, ..self.options };
        let loader = EvalLoader::over(self.source(split), &options)?;
        Ok(Box::new(Annotated(loader)))
    }
}

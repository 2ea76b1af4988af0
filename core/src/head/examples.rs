//! Images with targets, as a head is trained and tested on them.

use std::any::{Any, TypeId};

use super::{Broken, PartSize, Target, TargetStatistics};
use crate::data::{Batch, Share, Split};
use crate::encoder::ImageShape;
use crate::recipe::DataSettings;
use crate::settings::{Field, Section, Settings};
use crate::{Error, Result};

/// A batch with the annotation of each of its images, in their order.
#[derive(Debug, Clone)]
pub struct Examples<T> {
    /// The images.
    pub batch: Batch,
    /// A target for each.
    pub targets: Vec<T>,
}

impl<T: Clone> Examples<T> {
    /// Images `start..end` (for gradient accumulation).
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        Self { batch: self.batch.slice(start, end), targets: self.targets[start..end].to_vec() }
    }
}

/// Training batches without end. The batch of a step is a function of the data, the seed and the step
/// alone.
pub trait LabelledLoader<T> {
    /// The next batch.
    ///
    /// # Errors
    /// More broken files than are allowed.
    fn next_batch(&mut self) -> Result<Examples<T>>;
    /// Batches in one pass over the data.
    fn steps_per_epoch(&self) -> u64;
    /// Takes back the memory of a batch that is done with.
    fn recycle(&mut self, examples: Examples<T>) {
        drop(examples);
    }
    /// Messages on broken files since the last call.
    fn take_warnings(&mut self) -> Vec<String> {
        vec![]
    }
    /// The broken samples that were met so far.
    fn broken(&self) -> &Broken;
}

/// A task's data.
pub trait LabelledSplits<T> {
    /// The class names; empty where the data have none.
    fn classes(&self) -> &[String];
    /// How much there is to train on and to test on, as far as can be told before files are read.
    fn sizes(&self) -> [PartSize; 2];
    /// How many images there are to train on and to test on.
    fn counts(&self) -> [usize; 2] {
        self.sizes().map(|size| size.images)
    }
    /// What the user may want to know, one sentence each.
    fn notes(&self) -> &[String] {
        &[]
    }
    /// What a head may have to know of the training targets when it is built.
    fn statistics(&self) -> TargetStatistics {
        TargetStatistics::default()
    }
    /// Shuffled, augmented batches of `batch` images, of which a share is delivered: the shares of all processes together
    /// are the batch of one.
    ///
    /// # Errors
    /// Fewer images than a batch.
    fn train(&self, batch: usize, share: Share) -> Result<Box<dyn LabelledLoader<T>>>;
    /// One pass over a part, in order, without augmentation. A share of it is some whole batches of the pass that one
    /// process makes, in a row (maybe none): features that are computed batch by batch have the same bits then,
    /// whichever process computes them.
    ///
    /// # Errors
    /// Data that can't be read.
    fn pass(&self, split: Split, share: Share) -> Result<Pass<'_, T>>;
    /// One pass over the test part.
    ///
    /// # Errors
    /// As [`LabelledSplits::pass`].
    fn test(&self, share: Share) -> Result<Pass<'_, T>> {
        self.pass(Split::Test, share)
    }
}

/// One pass over a part of the data. Broken samples are left out.
pub trait ExamplePass<T>: Iterator<Item = Result<Examples<T>>> {
    /// The broken samples that were met so far.
    fn broken(&self) -> &Broken;
    /// Whether so many broken samples of all shares of the pass are forgiven; a pass looks at those of its own by itself.
    ///
    /// # Errors
    /// They are too many.
    fn forgives(&self, broken: &Broken) -> Result<()> {
        let _ = broken;
        Ok(())
    }
}

/// One pass over a part of the data.
pub type Pass<'a, T> = Box<dyn ExamplePass<T> + 'a>;

/// Which data are to be opened, and how.
pub struct ExamplesRequest<'a> {
    /// Which data, where, and how pixels are normalised.
    pub data: &'a DataSettings,
    /// The reader's own keys.
    pub reader: &'a Section,
    /// Channels, height and width that the encoder takes.
    pub image: ImageShape,
    /// Seed of shuffling and augmentation.
    pub seed: u64,
    /// Training images of each class at most, drawn by the seed; 0 takes all.
    pub shots: usize,
    /// Training and test images at most; 0 takes all.
    pub limits: [usize; 2],
}

/// Something that opens data with targets of a type.
pub trait OpenLabelled: 'static {
    /// The targets.
    type Target: Target;
    /// The `[augment]` table.
    type Settings: Settings;

    /// The data set that stands in where the data `name` have no such targets and the user named no others.
    fn fallback(name: &str) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// Opens the data.
    ///
    /// # Errors
    /// Data without such targets, a missing path, another layout.
    fn open(
        settings: &Self::Settings,
        request: &ExamplesRequest<'_>,
    ) -> Result<Box<dyn LabelledSplits<Self::Target>>>;
}

/// What opens data with targets of a type, in the registry.
pub struct ExamplesEntry {
    target: fn() -> TypeId,
    /// The fields of the `[augment]` table.
    pub fields: fn() -> Vec<Field>,
    /// See [`OpenLabelled::fallback`].
    pub fallback: fn(&str) -> Option<&'static str>,
    open: fn(&Section, &ExamplesRequest<'_>) -> Result<Box<dyn Any>>,
}

impl ExamplesEntry {
    /// The entry of an opener.
    pub const fn of<O: OpenLabelled>() -> Self {
        Self {
            target: TypeId::of::<O::Target>,
            fields: O::Settings::fields,
            fallback: O::fallback,
            open: |augment, request| {
                let settings: O::Settings = augment.read()?;
                let opened =
                    O::open(&settings, request).map_err(|e| e.locate(|key| augment.location(key)))?;
                Ok(Box::new(opened))
            },
        }
    }
}

inventory::collect!(ExamplesEntry);

/// The entry for targets of type `T`.
///
/// # Errors
/// Nothing was linked that gives them.
pub fn examples_of<T: Target>() -> Result<&'static ExamplesEntry> {
    inventory::iter::<ExamplesEntry>
        .into_iter()
        .find(|entry| (entry.target)() == TypeId::of::<T>())
        .ok_or_else(|| {
            Error::failure(format!("no data set gives {}", T::NAME))
                .help("register an ExamplesEntry for this type of target")
        })
}

impl ExamplesEntry {
    /// Opens data for a head whose targets are of type `T`.
    ///
    /// # Errors
    /// As [`OpenLabelled::open`]; an entry for another type.
    pub fn open<T: Target>(
        &self,
        augment: &Section,
        request: &ExamplesRequest<'_>,
    ) -> Result<Box<dyn LabelledSplits<T>>> {
        let opened = (self.open)(augment, request)?;
        let opened = opened.downcast::<Box<dyn LabelledSplits<T>>>();
        opened.map(|opened| *opened).map_err(|_| Error::failure(format!("the data don't give {}", T::NAME)))
    }
}

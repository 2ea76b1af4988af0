//! Images with something that is true of each as a whole, such as a set of labels or numbers: how they are drawn, framed and
//! put into batches, whatever the type of their targets.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Share, Split};
use palimpsest_core::head::{
    ExamplesRequest, LabelledLoader, LabelledSplits, PartSize, Pass, Target, TargetStatistics,
};
use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result, settings};

use crate::augment::{Augment, Border, Crop, Filter};
use crate::draw::{Draw, Positions};
use crate::erasing::erase;
use crate::eval_loader::{Annotated, EvalLoader};
use crate::loader::{Loader, LoaderOptions};
use crate::recipe_data::DataSource;
use crate::source::SampleSource;
use crate::transform::{Scratch, Transform};

settings! {
    /// `[augment]` for images with label sets or numbers. Nothing is changed unless it is asked for: what a flip, a crop or
    /// a colour does to a number, nobody but the user knows.
    pub struct WholeImageAugment {
        /// Random resized crop: smallest and largest share of the area; empty for the middle square.
        crop_scale: Vec<f64> = vec![];
        /// Random resized crop: smallest and largest aspect ratio.
        crop_ratio: Vec<f64> = vec![0.75, 1.333_333_333_333_333_3];
        /// Black padding before a crop of the image's own size, in pixels, in place of a random resized
        /// crop (for small images); 0 for none.
        pad: usize = 0, in 0..=1024;
        /// Probability of a horizontal flip.
        flip: f64 = 0.0, in 0.0..=1.0;
        /// Probability that a box is erased.
        erasing: f64 = 0.0, in 0.0..=1.0;
        /// Shorter side before the middle square is cut out for testing, as a multiple of the square's; 1.143
        /// gives 256 for 224.
        test_resize: f64 = 1.0, in 1.0..=4.0;
    }
}

impl WholeImageAugment {
    fn crop(&self, size: usize) -> Result<Crop> {
        if self.pad > 0 {
            return Ok(Crop::Padded { padding: self.pad, border: Border::Black });
        }
        let range = |key: &'static str, values: &[f64]| match *values {
            [low, high] => Ok((low, high)),
            _ => Err(Error::user(format!("{values:?} is no range"))
                .about(key)
                .help("give the smallest and the largest value, as [0.08, 1.0]")),
        };
        if self.crop_scale.is_empty() {
            return Ok(Crop::Centre { resize: size });
        }
        Ok(Crop::RandomResized {
            scale: range("crop_scale", &self.crop_scale)?,
            ratio: range("crop_ratio", &self.crop_ratio)?,
        })
    }
}

/// The target of each image of a part; none where nothing is known of it.
pub(super) type Targets<T> = Arc<[Option<T>]>;

/// Both parts of data with a target for each image.
pub(super) struct WholeImages<T> {
    parts: [Part<T>; 2],
    names: Vec<String>,
    sizes: [PartSize; 2],
    pub(super) notes: Vec<String>,
    statistics: TargetStatistics,
    training: Transform,
    testing: Transform,
    erasing: f64,
    options: LoaderOptions,
}

/// What is used of a part.
struct Part<T> {
    images: Arc<dyn Dataset>,
    targets: Targets<T>,
    positions: Positions,
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Self {
        let Self { images, targets, positions } = self;
        Self { images: images.clone(), targets: targets.clone(), positions: positions.clone() }
    }
}

impl<T: Target> WholeImages<T> {
    /// Of `images` with `targets`, of the training and the test part, in data that name `classes`; what is counted of the
    /// training targets that are drawn is `count`'s.
    ///
    /// # Errors
    /// No image of which something is known, or a draw or a crop that can't be.
    pub(super) fn new(
        settings: &WholeImageAugment,
        request: &ExamplesRequest<'_>,
        images: [Arc<dyn Dataset>; 2],
        targets: [Targets<T>; 2],
        names: Vec<String>,
        count: impl Fn(&[&T]) -> TargetStatistics,
    ) -> Result<Self> {
        let source = DataSource::from(request);
        let [_, size, _] = request.image;
        let augment =
            Augment { crop: settings.crop(size)?, flip: settings.flip as f32, filter: Filter::Bicubic };
        let resize = (settings.test_resize * size as f64).round() as usize;
        let middle = Augment { filter: Filter::Bicubic, ..Augment::centre(resize) };
        let draw = Draw::from(request);
        let part = |(images, targets): (Arc<dyn Dataset>, Targets<T>), split| {
            let known = (0..).zip(&*targets).filter(|(_, target)| target.is_some()).map(|(row, _)| row);
            let positions = draw.of_these(known.collect(), split)?;
            if positions.is_empty() {
                return Err(Error::user(format!("nothing is known of any image of the {split} part"))
                    .at(source.location())
                    .help(format!("give {}", T::NAME)));
            }
            Ok(Part { images, targets, positions })
        };
        let [train, test] = images;
        let [train_targets, test_targets] = targets;
        let parts = [part((train, train_targets), Split::Train)?, part((test, test_targets), Split::Test)?];
        let drawn: Vec<&T> = parts[0].drawn().collect();
        let statistics = count(&drawn);
        let sizes = [&parts[0], &parts[1]].map(|part| part.size(names.len()));
        Ok(Self {
            sizes,
            statistics,
            names,
            notes: vec![],
            training: source.transform(size, augment)?,
            testing: source.transform(size, middle)?,
            erasing: settings.erasing,
            options: source.loader_options(1, request.seed),
            parts,
        })
    }

    /// The targets of the training images that are drawn.
    pub(super) fn trained_on(&self) -> impl Iterator<Item = &T> {
        self.parts[0].drawn()
    }
}

impl<T> Part<T> {
    fn drawn(&self) -> impl Iterator<Item = &T> {
        self.positions.iter().filter_map(|row| self.targets[row as usize].as_ref())
    }

    fn size(&self, classes: usize) -> PartSize {
        let (of, images) = (self.targets.len(), self.positions.len());
        let without_target = self.targets.iter().filter(|target| target.is_none()).count();
        PartSize {
            images,
            classes,
            of,
            without_target,
            not_drawn: of - without_target - images,
            ..PartSize::default()
        }
    }
}

/// What makes the samples of a part.
struct Framed<T> {
    part: Part<T>,
    transform: Transform,
    erasing: f64,
}

impl<T: Target> SampleSource for Framed<T> {
    type Target = T;

    fn len(&self) -> usize {
        self.part.positions.len()
    }
    fn origin(&self, index: usize) -> usize {
        self.part.positions.at(index)
    }
    fn shape(&self) -> [usize; 3] {
        self.transform.shape()
    }
    fn location(&self, index: usize) -> String {
        self.part.images.location(self.origin(index))
    }
    fn label(&self, _: usize) -> i64 {
        -1
    }
    fn sample(&self, index: usize, random: &mut Philox, scratch: &mut Scratch, out: &mut [f32]) -> Result<T> {
        let at = self.origin(index);
        let target = self.part.targets[at].clone();
        let target = target.ok_or_else(|| Error::failure("an image of which nothing is known was drawn"))?;
        let image = self.part.images.load(at)?;
        self.transform.apply(image, random, scratch, out)?;
        if self.erasing > 0.0 {
            let [_, height, width] = self.transform.shape();
            erase(out, (width, height), self.erasing, random);
        }
        Ok(target)
    }
}

/// Images in a test batch.
const TEST_BATCH: usize = 64;

impl<T: Target> LabelledSplits<T> for WholeImages<T> {
    fn classes(&self) -> &[String] {
        &self.names
    }

    fn sizes(&self) -> [PartSize; 2] {
        self.sizes.clone()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn statistics(&self) -> TargetStatistics {
        self.statistics.clone()
    }

    fn train(&self, batch: usize, share: Share) -> Result<Box<dyn LabelledLoader<T>>> {
        let source =
            Framed { part: self.parts[0].clone(), transform: self.training.clone(), erasing: self.erasing };
        Ok(Box::new(Loader::over(source, &LoaderOptions { batch, share, ..self.options })?))
    }

    fn pass(&self, split: Split, share: Share) -> Result<Pass<'_, T>> {
        let part = self.parts[split as usize].clone();
        let source = Framed { part, transform: self.testing.clone(), erasing: 0.0 };
        let options = LoaderOptions { batch: TEST_BATCH, share, ..self.options };
        Ok(Box::new(Annotated(EvalLoader::over(source, &options)?)))
    }
}

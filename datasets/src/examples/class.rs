//! Pictures with a class: what classification heads are trained on.

use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::head::{
    Class, ExampleSource, Examples, ExamplesEntry, ExamplesRequest, OpenExamples, TaskExamples,
};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{Error, Result, settings};

use super::{feed, limited, normalisation, opened, place};
use crate::augment::{Augment, Border, Crop, Filter};
use crate::erasing::erase;
use crate::eval_loader::EvalLoader;
use crate::few_shot::few_shot;
use crate::loader::{Feed, Loader};
use crate::mixing::Mixing;
use crate::rand_augment::RandAugment;
use crate::sampler::Sampler;
use crate::transform::{Scratch, Transform};

settings! {
    /// `[augment]` for pictures with a class.
    pub struct ClassAugment {
        /// Random resized crop: smallest and largest share of the area; empty for the middle square.
        crop_scale: Vec<f64> = vec![0.08, 1.0];
        /// Random resized crop: smallest and largest aspect ratio.
        crop_ratio: Vec<f64> = vec![0.75, 1.333_333_333_333_333_3];
        /// Black padding before a crop of the picture's own size, in pixels, in place of a random resized
        /// crop (for small pictures); 0 for none.
        pad: usize = 0, in 0..=1024;
        /// Probability of a horizontal flip.
        flip: f64 = 0.5, in 0.0..=1.0;
        /// RandAugment: the mean magnitude, 0 to 10; 0 for none.
        rand_augment: f64 = 0.0, in 0.0..=10.0;
        /// RandAugment: operations drawn for each picture, half of which are applied.
        rand_augment_operations: usize = 2, in 1..=15;
        /// RandAugment: standard deviation of the magnitude.
        rand_augment_deviation: f64 = 0.5, in 0.0..=10.0;
        /// Probability that a box is erased.
        erasing: f64 = 0.0, in 0.0..=1.0;
        /// Mixup: the share of a picture is drawn from Beta(mixup, mixup); 0 for none.
        mixup: f64 = 0.0, in 0.0..=100.0;
        /// CutMix: the share is drawn from Beta(cutmix, cutmix); 0 for none.
        cutmix: f64 = 0.0, in 0.0..=100.0;
        /// Probability that a batch is mixed.
        mix_probability: f64 = 1.0, in 0.0..=1.0;
        /// The share of CutMix in mixed batches, where both are on.
        cutmix_share: f64 = 0.5, in 0.0..=1.0;
        /// Shorter side before the middle square is cut out for testing, as a multiple of the square's; 1.143
        /// gives 256 for 224.
        test_resize: f64 = 1.0, in 1.0..=4.0;
    }
}

impl ClassAugment {
    fn crop(&self) -> Result<Crop> {
        if self.pad > 0 {
            return Ok(Crop::Padded { padding: self.pad, border: Border::Black });
        }
        match (&self.crop_scale[..], &self.crop_ratio[..]) {
            ([], _) => Ok(Crop::Centre { resize: 0 }),
            (&[low, high], &[least, most]) => {
                Ok(Crop::RandomResized { scale: (low, high), ratio: (least, most) })
            }
            (_, [_, _]) => Err(Error::user(format!("{:?} is no range", self.crop_scale)).about("crop_scale")),
            _ => Err(Error::user(format!("{:?} is no range", self.crop_ratio)).about("crop_ratio")),
        }
        .map_err(|e| e.mend("give the smallest and the largest value, as [0.08, 1.0]"))
    }
}

/// Pictures and their classes.
struct Classified {
    dataset: Arc<dyn Dataset>,
    transform: Transform,
    rand_augment: Option<RandAugment>,
    erasing: f64,
}

impl Sampler for Classified {
    type Target = Class;

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
    fn sample(
        &self,
        index: usize,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<Class> {
        let class = self.dataset.label(index).ok_or_else(|| {
            Error::user("has no class").at(self.dataset.place(index)).mend("give every picture a class")
        })?;
        let image = self.dataset.load(index)?;
        match &self.rand_augment {
            None => self.transform.apply(image, random, scratch, out)?,
            Some(augment) => {
                let square = self.transform.square(image, random, scratch)?;
                self.transform.normalised(&augment.apply(square, random), out);
            }
        }
        if self.erasing > 0.0 {
            let [_, height, width] = self.transform.shape();
            erase(out, (width, height), self.erasing, random);
        }
        Ok(Class::pure(class))
    }
}

/// Batches of which pictures are mixed.
struct Mixed {
    loader: Loader<Classified>,
    mixing: Mixing,
    seed: u64,
}

/// The draws of mixing are apart from those of any sample.
const MIXING: u64 = 1 << 47;

impl ExampleSource<Class> for Mixed {
    fn next_batch(&mut self) -> Result<Examples<Class>> {
        let mut examples = self.loader.next_examples()?;
        let [count, _, height, width] = examples.batch.shape;
        let step = examples.batch.first_sample / count.max(1) as u64;
        let mut random = Philox::new(self.seed, Stream::Augment, step, MIXING);
        if let Some(mix) = self.mixing.draw((width, height), &mut random) {
            mix.apply(&mut examples);
        }
        Ok(examples)
    }

    fn steps_per_epoch(&self) -> u64 {
        ExampleSource::steps_per_epoch(&self.loader)
    }

    fn recycle(&mut self, examples: Examples<Class>) {
        ExampleSource::recycle(&mut self.loader, examples);
    }

    fn take_warnings(&mut self) -> Vec<String> {
        ExampleSource::take_warnings(&mut self.loader)
    }
}

/// The parts of a data set with classes.
struct ClassExamples {
    train: Arc<dyn Dataset>,
    test: Arc<dyn Dataset>,
    notes: Vec<String>,
    training: Transform,
    testing: Transform,
    settings: ClassAugment,
    feed: Feed,
}

/// Images in a test batch.
const TEST_BATCH: usize = 64;

impl TaskExamples<Class> for ClassExamples {
    fn classes(&self) -> &[String] {
        self.train.classes()
    }

    fn counts(&self) -> [usize; 2] {
        [self.train.len(), self.test.len()]
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn train(&self, batch: usize) -> Result<Box<dyn ExampleSource<Class>>> {
        let settings = &self.settings;
        let rand_augment = RandAugment {
            operations: settings.rand_augment_operations,
            deviation: settings.rand_augment_deviation,
            ..RandAugment::new(settings.rand_augment)
        };
        let sampler = Classified {
            dataset: self.train.clone(),
            transform: self.training.clone(),
            rand_augment: (settings.rand_augment > 0.0).then_some(rand_augment),
            erasing: settings.erasing,
        };
        let mixing = Mixing {
            mixup: settings.mixup,
            cutmix: settings.cutmix,
            probability: settings.mix_probability,
            switch: settings.cutmix_share,
        };
        let loader = Loader::over(sampler, &Feed { batch, ..self.feed })?;
        Ok(Box::new(Mixed { loader, mixing, seed: self.feed.seed }))
    }

    fn test(&self) -> Result<Box<dyn Iterator<Item = Result<Examples<Class>>> + '_>> {
        let sampler = Classified {
            dataset: self.test.clone(),
            transform: self.testing.clone(),
            rand_augment: None,
            erasing: 0.0,
        };
        let mut loader = EvalLoader::over(sampler, &Feed { batch: TEST_BATCH, ..self.feed })?;
        Ok(Box::new(std::iter::from_fn(move || loader.next_examples())))
    }
}

/// Opens them.
pub struct OpenClasses;

impl OpenExamples for OpenClasses {
    type Target = Class;
    type Settings = ClassAugment;

    fn open(settings: &ClassAugment, request: &ExamplesRequest<'_>) -> Result<Box<dyn TaskExamples<Class>>> {
        let (train, test, notes) = opened(request)?;
        if train.classes().len() < 2 {
            return Err(Error::user(format!("the data have {} classes", train.classes().len()))
                .at(place(request))
                .mend("evaluate on data with classes"));
        }
        let [most_train, most_test] = request.limits;
        let train = few_shot(train, request.shots, request.seed)?;
        let train = limited(train, most_train, request.seed);
        let test = limited(test, most_test, request.seed);
        let [mean, std] = normalisation(request);
        let [channels, size, _] = request.image;
        let crop = match settings.crop()? {
            Crop::Centre { .. } => Crop::Centre { resize: size },
            crop => crop,
        };
        let augment = Augment { crop, flip: settings.flip as f32, filter: Filter::Bicubic };
        let resize = (settings.test_resize * size as f64).round() as usize;
        let middle = Augment { filter: Filter::Bicubic, ..Augment::centre(resize) };
        let transform = |augment| Transform::new(size, channels, augment, &mean, &std);
        Ok(Box::new(ClassExamples {
            train,
            test,
            notes,
            training: transform(augment)?,
            testing: transform(middle)?,
            settings: settings.clone(),
            feed: feed(request, 1),
        }))
    }
}

palimpsest_core::inventory::submit! { ExamplesEntry::of::<OpenClasses>() }

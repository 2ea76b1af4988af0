//! Pictures with a class: what classification heads are trained on.

use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::head::{
    Class, ExampleSource, Examples, ExamplesEntry, ExamplesRequest, OpenExamples, TaskExamples,
};
use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result, settings};

use super::{feed, normalisation, place, spec};
use crate::augment::{Augment, Border, Crop, Filter};
use crate::eval_loader::EvalLoader;
use crate::few_shot::few_shot;
use crate::loader::Loader;
use crate::open::open_with_notes;
use crate::sampler::Sampler;
use crate::split::{Split, Subset};
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
        self.transform.apply(self.dataset.load(index)?, random, scratch, out)?;
        Ok(Class::pure(class))
    }
}

/// The parts of a data set with classes.
struct ClassExamples {
    train: Arc<dyn Dataset>,
    test: Arc<dyn Dataset>,
    notes: Vec<String>,
    training: Transform,
    testing: Transform,
    request: OwnedRequest,
}

/// What of a request is needed later.
struct OwnedRequest {
    feed: crate::loader::Feed,
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
        let sampler = Classified { dataset: self.train.clone(), transform: self.training.clone() };
        let feed = crate::loader::Feed { batch, ..self.request.feed };
        Ok(Box::new(Loader::over(sampler, &feed)?))
    }

    fn test(&self) -> Result<Box<dyn Iterator<Item = Result<Examples<Class>>> + '_>> {
        let sampler = Classified { dataset: self.test.clone(), transform: self.testing.clone() };
        let feed = crate::loader::Feed { batch: TEST_BATCH, ..self.request.feed };
        let mut loader = EvalLoader::over(sampler, &feed)?;
        Ok(Box::new(std::iter::from_fn(move || loader.next_examples())))
    }
}

/// Opens them.
pub struct OpenClasses;

impl OpenExamples for OpenClasses {
    type Target = Class;
    type Settings = ClassAugment;

    fn open(settings: &ClassAugment, request: &ExamplesRequest<'_>) -> Result<Box<dyn TaskExamples<Class>>> {
        let spec = spec(request);
        let [train, test] = [Split::Train, Split::Test].map(|s| open_with_notes(&spec, s));
        let (train, test) = (train.map_err(|e| e.at(place(request)))?, test.map_err(|e| e.at(place(request)))?);
        let mut notes = train.notes;
        notes.extend(test.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
        if train.dataset.classes().len() < 2 {
            return Err(Error::user(format!("the data have {} classes", train.dataset.classes().len()))
                .at(place(request))
                .mend("evaluate on data with classes"));
        }
        let [most_train, most_test] = request.limits;
        let train = few_shot(train.dataset, request.shots, request.seed)?;
        let train = limited(train, most_train, request.seed);
        let test = limited(test.dataset, most_test, request.seed);
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
            request: OwnedRequest { feed: feed(request, 1) },
        }))
    }
}

/// At most this many samples, drawn by the seed; all for 0.
fn limited(dataset: Arc<dyn Dataset>, most: usize, seed: u64) -> Arc<dyn Dataset> {
    if most == 0 || most >= dataset.len() {
        return dataset;
    }
    let mut random = Philox::new(seed, palimpsest_core::random::Stream::Shuffle, u64::from(u32::MAX), 1);
    let mut chosen = random.choose(dataset.len(), most);
    chosen.sort_unstable();
    Arc::new(Subset::new(dataset, chosen))
}

palimpsest_core::inventory::submit! { ExamplesEntry::of::<OpenClasses>() }

//! Images with a class: what classification heads are trained on.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Image, Image8, Normalisation, Share, Split};
use palimpsest_core::head::{
    Broken, Class, Examples, ExamplesEntry, ExamplesRequest, LabelledLoader, LabelledSplits, OpenLabelled,
    PartSize, Pass,
};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{Error, Result, settings};

use crate::augment::{Augment, Border, Crop, Filter};
use crate::draw::{Draw, Positions, Unlabelled};
use crate::erasing::erase;
use crate::eval_loader::{Annotated, EvalLoader};
use crate::loader::{Loader, LoaderOptions};
use crate::mixing::{Mixing, with_mirrored};
use crate::parts::Parts;
use crate::rand_augment::RandAugment;
use crate::recipe_data::DataSource;
use crate::source::SampleSource;
use crate::transform::{Scratch, Transform};

settings! {
    /// `[augment]` for images with a class.
    pub struct ClassAugment {
        /// Random resized crop: smallest and largest share of the area; empty for the middle square.
        crop_scale: Vec<f64> = vec![0.08, 1.0];
        /// Random resized crop: smallest and largest aspect ratio.
        crop_ratio: Vec<f64> = vec![0.75, 1.333_333_333_333_333_3];
        /// Black padding before a crop of the image's own size, in pixels, in place of a random resized
        /// crop (for small images); 0 for none.
        pad: usize = 0, in 0..=1024;
        /// Probability of a horizontal flip.
        flip: f64 = 0.5, in 0.0..=1.0;
        /// RandAugment: the mean magnitude, 0 to 10; 0 for none.
        rand_augment: f64 = 0.0, in 0.0..=10.0;
        /// RandAugment: operations drawn for each image, half of which are applied.
        rand_augment_operations: usize = 2, in 1..=15;
        /// RandAugment: standard deviation of the magnitude.
        rand_augment_deviation: f64 = 0.5, in 0.0..=10.0;
        /// Probability that a box is erased.
        erasing: f64 = 0.0, in 0.0..=1.0;
        /// Mixup: the share of an image is drawn from Beta(mixup, mixup); 0 for none.
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
        .map_err(|e| e.help("give the smallest and the largest value, as [0.08, 1.0]"))
    }
}

/// What is used of a part of the data.
#[derive(Clone)]
struct Part {
    dataset: Arc<dyn Dataset>,
    positions: Positions,
}

/// Images and their classes.
struct Classified {
    part: Part,
    transform: Transform,
    rand_augment: Option<RandAugment>,
    erasing: f64,
    /// Whether nothing is done to normalised values.
    as_bytes: bool,
}

impl SampleSource for Classified {
    type Target = Class;

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
        self.part.dataset.location(self.origin(index))
    }
    fn label(&self, index: usize) -> i64 {
        self.part.dataset.label(self.origin(index)).map_or(-1, i64::from)
    }
    fn sample(
        &self,
        index: usize,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<Class> {
        let (image, class) = self.load(index)?;
        match &self.rand_augment {
            None => self.transform.apply(image, random, scratch, out)?,
            Some(augment) => {
                let square = self.augmented(augment, image, random, scratch)?;
                self.transform.normalised(&square.into(), out);
            }
        }
        if self.erasing > 0.0 {
            let [_, height, width] = self.transform.shape();
            erase(out, (width, height), self.erasing, random);
        }
        Ok(class)
    }
    fn normalisation(&self) -> Option<&Arc<Normalisation>> {
        self.as_bytes.then(|| self.transform.normalisation())
    }
    fn bytes(
        &self,
        index: usize,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<Option<Class>> {
        let (image, class) = self.load(index)?;
        match &self.rand_augment {
            None => Ok(self.transform.bytes(image, random, scratch, out)?.then_some(class)),
            Some(augment) => {
                let Image { channels, pixels, .. } = self.augmented(augment, image, random, scratch)?;
                for (channel, plane) in out.chunks_exact_mut(pixels.len() / channels).enumerate() {
                    let values = pixels.iter().skip(channel).step_by(channels);
                    plane.iter_mut().zip(values).for_each(|(out, &value)| *out = value);
                }
                Ok(Some(class))
            }
        }
    }
}

impl Classified {
    fn load(&self, index: usize) -> Result<(Image, Class)> {
        let (dataset, at) = (&self.part.dataset, self.origin(index));
        let class = dataset.label(at).ok_or_else(|| {
            Error::user("has no class").at(dataset.location(at)).help("give every image a class")
        })?;
        Ok((dataset.load(at)?, Class::pure(class)))
    }

    /// The square of an image, changed by RandAugment.
    fn augmented(
        &self,
        augment: &RandAugment,
        image: Image,
        random: &mut Philox,
        scratch: &mut Scratch,
    ) -> Result<Image8> {
        let square = self.transform.square(image, random, scratch)?;
        let square = square
            .into_8_bit()
            .map_err(|image| for_rand_augment(&format!("{} samples", image.pixels.kind())))?;
        Ok(augment.apply(square, random))
    }
}

/// Why images of these samples can't be changed by RandAugment.
fn for_rand_augment(have: &str) -> Error {
    Error::user(format!("RandAugment changes 8-bit images of grey or RGB, and these have {have}"))
        .help("set augment.rand_augment=0: crop, flip, erasing, mixup and CutMix change any image")
}

/// Batches of which images are mixed, or a share of them.
struct Mixed {
    loader: Loader<Classified>,
    mixing: Mixing,
    seed: u64,
    /// Images of a whole batch, and those of the share.
    batch: usize,
    own: usize,
    /// The places of the images that the loader gives, those of the share first.
    places: Vec<usize>,
}

/// The draws of mixing are apart from those of any sample.
const MIXING: u64 = 1 << 47;

impl LabelledLoader<Class> for Mixed {
    fn next_batch(&mut self) -> Result<Examples<Class>> {
        let mut examples = self.loader.next_examples()?;
        let [_, _, height, width] = examples.batch.shape;
        let step = examples.batch.first_sample / self.batch as u64;
        let mut random = Philox::new(self.seed, Stream::Augment, step, MIXING);
        if let Some(mix) = self.mixing.draw((width, height), &mut random) {
            mix.apply_to(&mut examples, &self.places, self.batch);
        }
        // Partners of other shares have done their service.
        let Examples { batch, targets } = &mut examples;
        batch.truncate(self.own);
        targets.truncate(self.own);
        Ok(examples)
    }

    fn steps_per_epoch(&self) -> u64 {
        LabelledLoader::steps_per_epoch(&self.loader)
    }

    fn recycle(&mut self, examples: Examples<Class>) {
        LabelledLoader::recycle(&mut self.loader, examples);
    }

    fn take_warnings(&mut self) -> Vec<String> {
        LabelledLoader::take_warnings(&mut self.loader)
    }

    fn broken(&self) -> &Broken {
        self.loader.broken()
    }
}

/// The parts of a data set with classes.
pub(crate) struct ClassExamples {
    parts: [Part; 2],
    sizes: [PartSize; 2],
    notes: Vec<String>,
    training: Transform,
    testing: Transform,
    settings: ClassAugment,
    options: LoaderOptions,
}

impl ClassExamples {
    /// The images of a draw, of which nothing is changed at random.
    pub(crate) fn plain(
        parts: &Parts,
        draw: &Draw,
        transform: &Transform,
        options: LoaderOptions,
    ) -> Result<Self> {
        let settings = ClassAugment { mix_probability: 0.0, ..ClassAugment::default() };
        Self::new(parts, draw, [transform.clone(), transform.clone()], settings, options)
    }

    fn new(
        Parts { train, test, notes }: &Parts,
        draw: &Draw,
        [training, testing]: [Transform; 2],
        settings: ClassAugment,
        options: LoaderOptions,
    ) -> Result<Self> {
        let part = |dataset: &Arc<dyn Dataset>, split| {
            let positions = draw.by_class(&**dataset, split, Unlabelled::LeftOut)?;
            Ok(Part { dataset: dataset.clone(), positions })
        };
        let parts = [part(train, Split::Train)?, part(test, Split::Test)?];
        let sizes =
            [&parts[0], &parts[1]].map(|part| part.positions.size(&*part.dataset, Unlabelled::LeftOut));
        if sizes[0].classes < 2 {
            return Err(Error::user(format!("to fit a head takes images of two classes, not {}", sizes[0]))
                .help("choose data with a class for each image, or take more of them (--train-images, eval.train_images, data.classes)"));
        }
        if sizes[1].images == 0 {
            return Err(Error::user(format!("nothing to score a head on: {}", sizes[1]))
                .help("give test images a class"));
        }
        Ok(Self { parts, sizes, notes: notes.clone(), training, testing, settings, options })
    }
}

/// Images in a test batch.
const TEST_BATCH: usize = 64;

impl LabelledSplits<Class> for ClassExamples {
    fn classes(&self) -> &[String] {
        self.parts[0].dataset.classes()
    }

    fn sizes(&self) -> [PartSize; 2] {
        self.sizes.clone()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn train(&self, batch: usize, share: Share) -> Result<Box<dyn LabelledLoader<Class>>> {
        let settings = &self.settings;
        let rand_augment = RandAugment {
            operations: settings.rand_augment_operations,
            deviation: settings.rand_augment_deviation,
            ..RandAugment::new(settings.rand_augment)
        };
        let mixing = Mixing {
            mixup: settings.mixup,
            cutmix: settings.cutmix,
            probability: settings.mix_probability,
            switch: settings.cutmix_share,
        };
        let source = Classified {
            part: self.parts[0].clone(),
            transform: self.training.clone(),
            rand_augment: (settings.rand_augment > 0.0).then_some(rand_augment),
            erasing: settings.erasing,
            as_bytes: settings.erasing == 0.0 && !mixing.is_on(),
        };
        let options = LoaderOptions { batch, share, ..self.options };
        let part = share.of(batch);
        let own = part.len();
        let places = if mixing.is_on() { with_mirrored(part, batch) } else { part.collect() };
        let loader = Loader::of_places(source, &options, places.clone())?;
        Ok(Box::new(Mixed { loader, mixing, seed: options.seed, batch, own, places }))
    }

    fn pass(&self, split: Split, share: Share) -> Result<Pass<'_, Class>> {
        let source = Classified {
            part: self.parts[split as usize].clone(),
            transform: self.testing.clone(),
            rand_augment: None,
            erasing: 0.0,
            as_bytes: true,
        };
        let loader = EvalLoader::over(source, &LoaderOptions { batch: TEST_BATCH, share, ..self.options })?;
        Ok(Box::new(Annotated(loader)))
    }
}

/// Opens them.
pub struct OpenClasses;

impl OpenLabelled for OpenClasses {
    type Target = Class;
    type Settings = ClassAugment;

    fn open(
        settings: &ClassAugment,
        request: &ExamplesRequest<'_>,
    ) -> Result<Box<dyn LabelledSplits<Class>>> {
        let source = DataSource::from(request);
        let parts = source.images()?;
        let [channels, size, _] = request.image;
        if settings.rand_augment > 0.0 {
            // Told now, and not of each image as of a broken one. An image that can't be read is told when it is due.
            let first = parts.train.load(0);
            let have = match &first {
                _ if !matches!(channels, 1 | 3) => Some(format!("{channels} channels")),
                Ok(image) if image.pixels.kind() != "8-bit" => {
                    Some(format!("{} samples", image.pixels.kind()))
                }
                _ => None,
            };
            if let Some(have) = have {
                return Err(for_rand_augment(&have).about("rand_augment"));
            }
        }
        let crop = match settings.crop()? {
            Crop::Centre { .. } => Crop::Centre { resize: size },
            crop => crop,
        };
        let augment = Augment { crop, flip: settings.flip as f32, filter: Filter::Bicubic };
        let resize = (settings.test_resize * size as f64).round() as usize;
        let middle = Augment { filter: Filter::Bicubic, ..Augment::centre(resize) };
        let transforms = [source.transform(size, augment)?, source.transform(size, middle)?];
        let options = source.loader_options(1, request.seed);
        let draw = Draw::from(request);
        let examples = ClassExamples::new(&parts, &draw, transforms, settings.clone(), options);
        Ok(Box::new(examples.map_err(|e| e.at(source.location()))?))
    }
}

palimpsest_core::inventory::submit! { ExamplesEntry::of::<OpenClasses>() }

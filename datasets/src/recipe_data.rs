//! A recipe's data, opened in one place: for pre-training, for heads on frozen features, and for heads that are
//! trained with the encoder.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use palimpsest_core::data::{Batch, Dataset, Share, Split};
use palimpsest_core::head::{Class, ExamplesRequest, LabelledSplits, counted};
use palimpsest_core::recipe::{DataSettings, PadMode, Recipe};
use palimpsest_core::settings::Section;
use palimpsest_core::{Error, Result, registry};
use palimpsest_targets::{DetectionData, LabelSetData, SegmentationData, ValueData};
use sha2::{Digest, Sha256};

use crate::augment::{Augment, Border, Crop};
use crate::cache::Cached;
use crate::class_agreement::Relabel;
use crate::class_choice::of_classes;
use crate::decode::DecodeOptions;
use crate::draw::{Draw, Unlabelled};
use crate::eval_loader::EvalLoader;
use crate::examples::class::ClassExamples;
use crate::loader::{Loader, LoaderOptions};
use crate::open::{open_detection, open_label_sets, open_segmentation, open_values, open_with_notes};
use crate::parts::{Parts, UsedPart};
use crate::pipeline::tiff_pages::page_note;
use crate::reader::{Opened, ReaderEntry};
use crate::scaling::{Scale, Scaling};
use crate::source::Images;
use crate::spec::DataSpec;
use crate::split::Subset;
use crate::transform::Transform;

/// What `[data]` says, in the terms of readers and loaders.
#[derive(Clone)]
pub struct DataSource {
    settings: DataSettings,
    reader: Section,
    /// As [`DataSpec::empty_parts`].
    pub(crate) empty_parts: bool,
}

/// Images by their number, names and labels; their pixels are not looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DataIdentity {
    /// How many.
    pub images: usize,
    /// SHA-256 of their places below the data's path and their labels, in order.
    pub list: String,
}

impl From<&ExamplesRequest<'_>> for DataSource {
    fn from(request: &ExamplesRequest<'_>) -> Self {
        Self { settings: request.data.clone(), reader: request.reader.clone(), empty_parts: false }
    }
}

impl From<&Recipe> for DataSource {
    fn from(recipe: &Recipe) -> Self {
        Self { settings: recipe.data.clone(), reader: recipe.reader.clone(), empty_parts: false }
    }
}

impl DataSource {
    /// Which data. Without a path, what was fetched to its default place.
    pub fn spec(&self) -> DataSpec {
        let settings = &self.settings;
        let path = match settings.path.as_str() {
            "" => palimpsest_fetch::fetched(&settings.name),
            path => Some(PathBuf::from(path)),
        };
        DataSpec {
            name: settings.name.clone(),
            path,
            channels: settings.channels,
            page: settings.page,
            scaling: self.scaling(),
            holdout: settings.holdout,
            empty_parts: self.empty_parts,
            classes: settings.classes.clone(),
            reader: self.reader.clone(),
        }
    }

    /// The greatest number of pixels of an image that is decoded: as the reader's key says, where it has one.
    pub fn max_pixels(&self) -> u64 {
        let told = self.reader.table().get("max_pixels").and_then(toml::Value::as_integer);
        told.and_then(|pixels| u64::try_from(pixels).ok()).unwrap_or(DecodeOptions::default().max_pixels)
    }

    fn scaling(&self) -> Scaling {
        let settings = &self.settings;
        let scale = match (&settings.range[..], &settings.percentiles[..]) {
            (&[low, high], _) => Scale::Range(low, high),
            (_, &[low, high]) => Scale::Percentiles(low, high),
            _ => Scale::TypeRange,
        };
        Scaling { scale, nan: settings.nan }
    }

    /// The channels that are shown as red, green and blue.
    pub fn shown_channels(&self) -> [usize; 3] {
        self.settings.shown_channels()
    }

    /// The key that says where the data are, for messages.
    pub fn location(&self) -> &'static str {
        if self.settings.path.is_empty() { "`data.name`" } else { "`data.path`" }
    }

    /// How samples become batches.
    pub fn loader_options(&self, batch: usize, seed: u64) -> LoaderOptions {
        LoaderOptions {
            batch,
            workers: self.settings.workers,
            seed,
            shuffle: true,
            bad_files: Some(self.settings.bad_files),
            prefetch: self.settings.prefetch,
            share: Share::WHOLE,
            parts: 1,
        }
    }

    /// Mean and deviation that pixels are normalised with, one for each channel.
    pub fn normalisation(&self) -> [Vec<f32>; 2] {
        [&self.settings.mean, &self.settings.std].map(|values| {
            let channels = 0..self.settings.channels;
            channels.map(|c| values[c.min(values.len().saturating_sub(1))] as f32).collect()
        })
    }

    /// A crop to squares of `size` pixels, with the normalisation.
    ///
    /// # Errors
    /// A number out of range.
    pub fn transform(&self, size: usize, augment: Augment) -> Result<Transform> {
        let [mean, std] = self.normalisation();
        Transform::new(size, self.settings.channels, augment, &mean, &std)
    }

    /// Both parts as images, with or without a class each.
    ///
    /// # Errors
    /// Data that can't be opened.
    pub fn images(&self) -> Result<Parts> {
        let spec = self.checked_spec()?;
        let train = self.image_part(&spec, Split::Train)?;
        let test = self.image_part(&spec, Split::Test)?;
        Parts::of(&spec, train, test).map_err(|e| e.at(self.location()))
    }

    /// One part as images, with or without a class each; the other isn't opened.
    ///
    /// # Errors
    /// Data that can't be opened.
    pub fn images_of(&self, split: Split) -> Result<Opened> {
        let spec = self.checked_spec()?;
        let opened = self.image_part(&spec, split)?.opened;
        let note = page_note(&spec, [&*opened.dataset]);
        Ok(opened.notes(note))
    }

    /// Both parts as images with a class for each pixel.
    ///
    /// # Errors
    /// Data that can't be opened, or have none.
    pub fn label_maps(&self) -> Result<Parts<dyn SegmentationData>> {
        self.parts("label maps", open_segmentation)
    }

    /// Both parts as images with objects.
    ///
    /// # Errors
    /// Data that can't be opened, or have none.
    pub fn objects(&self) -> Result<Parts<dyn DetectionData>> {
        self.parts("objects", open_detection)
    }

    /// Both parts as images with a set of labels each.
    ///
    /// # Errors
    /// Data that can't be opened, or have none.
    pub fn label_sets(&self) -> Result<Parts<dyn LabelSetData>> {
        self.parts("label sets", open_label_sets)
    }

    /// Both parts as images with numbers each.
    ///
    /// # Errors
    /// Data that can't be opened, or have none.
    pub fn values(&self) -> Result<Parts<dyn ValueData>> {
        self.parts("numbers", open_values)
    }

    fn parts<D: ?Sized + Relabel>(
        &self,
        targets: &str,
        open: fn(&DataSpec, Split) -> Result<Opened<D>>,
    ) -> Result<Parts<D>> {
        let spec = self.spec_of_targets(targets)?;
        let train = self.part(&spec, Split::Train, open)?;
        let test = self.part(&spec, Split::Test, open)?;
        Parts::of(&spec, train.into(), test.into()).map_err(|e| e.at(self.location()))
    }

    /// # Errors
    /// Classes are chosen, or as [`DataSource::checked_spec`].
    pub(crate) fn spec_of_targets(&self, targets: &str) -> Result<DataSpec> {
        if !self.settings.classes.is_empty() {
            // An image holds several classes here, and a map's pixels of the others would have to become something.
            return Err(Error::user(format!("classes can't be chosen of data with {targets}"))
                .at("`data.classes`")
                .help("leave the key out, or give data.classes=[]"));
        }
        self.checked_spec()
    }

    /// The images of a part that the recipe uses.
    fn image_part(&self, spec: &DataSpec, split: Split) -> Result<UsedPart> {
        let opened = self.part(spec, split, open_with_notes)?;
        match self.settings.classes.as_slice() {
            [] => Ok(opened.into()),
            classes => of_classes(opened, split, classes).map_err(|e| e.at("`data.classes`")),
        }
    }

    /// A mistake in the reader's keys is told with its own place.
    fn checked_spec(&self) -> Result<DataSpec> {
        let spec = self.spec();
        let entry = registry::find::<ReaderEntry>("data set", &spec.name);
        let entry = entry.map_err(|e| e.at("`data.name`"))?;
        (entry.check)(&spec.reader)?;
        Ok(spec)
    }

    pub(crate) fn part<D: ?Sized>(
        &self,
        spec: &DataSpec,
        split: Split,
        open: fn(&DataSpec, Split) -> Result<Opened<D>>,
    ) -> Result<Opened<D>> {
        open(spec, split).map_err(|e| e.at(self.location()))
    }
}

/// A recipe's images, opened: pre-training's batches, and what frozen features are made of.
pub struct RecipeData {
    source: DataSource,
    parts: Parts,
    /// What is pre-trained on: the training part, or `data.limit` images of it.
    trained: Arc<dyn Dataset>,
}

/// Images in a batch that isn't trained on.
const BATCH: usize = 64;

impl RecipeData {
    /// Opens the data of a recipe, to pre-train on them.
    ///
    /// # Errors
    /// Data that can't be opened. A test part that can't be is none where nothing will be scored on it.
    pub fn open(recipe: &Recipe) -> Result<Self> {
        Self::of(recipe, true)
    }

    /// Opens the data of a recipe, to score on them.
    ///
    /// # Errors
    /// Data of which either part can't be opened.
    pub fn open_for_scores(recipe: &Recipe) -> Result<Self> {
        Self::of(recipe, false)
    }

    fn of(recipe: &Recipe, training_alone: bool) -> Result<Self> {
        let source = DataSource::from(recipe);
        let spec = source.checked_spec()?;
        let train = source.image_part(&spec, Split::Train)?;
        let test = match source.image_part(&spec, Split::Test) {
            // Without heads, and without classes to score, the test part only serves the sample images.
            Err(error)
                if training_alone
                    && (recipe.eval.heads.is_empty() || train.opened.dataset.classes().is_empty()) =>
            {
                let note = format!("there is no test part, so training images are shown as samples: {error}");
                train.shown_as_test(note)
            }
            test => test?,
        };
        let parts = Parts::of(&spec, train, test).map_err(|e| e.at(source.location()))?;
        let limit = source.settings.limit;
        let mut trained = parts.train.clone();
        if limit > 0 && limit < trained.len() {
            let draw = Draw { seed: recipe.run.seed, limits: [limit, 0], ..Draw::default() };
            let drawn = draw.by_class(&*trained, Split::Train, Unlabelled::AsAClass)?;
            trained = Arc::new(Subset::new(trained, drawn.iter().collect()));
        }
        Ok(Self { source, parts, trained })
    }

    /// What the user may want to know, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.parts.notes
    }

    /// The class names, in the order of the labels; empty where the data have none.
    pub fn classes(&self) -> &[String] {
        self.parts.train.classes()
    }

    /// How many images there are to train on and to test on.
    pub fn counts(&self) -> [usize; 2] {
        [self.trained.len(), self.parts.test.len()]
    }

    /// What the training images are known by, so that a resumed run can tell whether they are still the same.
    pub fn identity(&self) -> DataIdentity {
        self.identity_of(&[&self.parts.train])
    }

    /// What the images of both parts are known by: a head's scores are of them.
    pub fn scored_identity(&self) -> DataIdentity {
        self.identity_of(&[&self.parts.train, &self.parts.test])
    }

    fn identity_of(&self, parts: &[&Arc<dyn Dataset>]) -> DataIdentity {
        let root = self.source.spec().path.map(|path| path.display().to_string()).unwrap_or_default();
        let mut sha = Sha256::new();
        for (part, index) in parts.iter().flat_map(|part| (0..part.len()).map(move |index| (part, index))) {
            let place = part.location(index);
            // Where the whole lies decides nothing.
            let place = place.strip_prefix(&root).unwrap_or(&place).trim_start_matches(['/', '\\']);
            sha.update(format!("{place} {:?}\n", part.label(index)));
        }
        let list = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        DataIdentity { images: parts.iter().map(|part| part.len()).sum(), list }
    }

    /// Mean and deviation that pixels are normalised with, one for each channel.
    pub fn normalisation(&self) -> [Vec<f32>; 2] {
        self.source.normalisation()
    }

    /// The channels that are shown as red, green and blue.
    pub fn shown_channels(&self) -> [usize; 3] {
        self.source.shown_channels()
    }

    /// The batches of pre-training.
    ///
    /// # Errors
    /// A number out of range, or fewer images than a batch.
    pub fn loader(&self, recipe: &Recipe) -> Result<Loader> {
        self.shared_loader(recipe, Share::WHOLE)
    }

    /// One of several processes' part of each batch of pre-training.
    ///
    /// # Errors
    /// As [`RecipeData::loader`].
    pub fn shared_loader(&self, recipe: &Recipe, share: Share) -> Result<Loader> {
        self.loader_in_parts(recipe, share, 1)
    }

    /// The same in as many parts as the recipe accumulates the gradients of.
    ///
    /// # Errors
    /// As [`RecipeData::loader`].
    pub fn step_loader(&self, recipe: &Recipe, share: Share) -> Result<Loader> {
        self.loader_in_parts(recipe, share, recipe.train.accumulate)
    }

    fn loader_in_parts(&self, recipe: &Recipe, share: Share, parts: usize) -> Result<Loader> {
        let settings = &self.source.settings;
        let augment = Augment {
            crop: crop(settings)?,
            flip: if settings.flip { 0.5 } else { 0.0 },
            filter: settings.filter,
        };
        let transform = self.source.transform(settings.image_size, augment).map_err(|e| e.at("`data`"))?;
        let options = self.source.loader_options(recipe.train.batch, recipe.run.seed);
        let options = LoaderOptions { share, parts, ..options };
        let mut dataset = self.trained.clone();
        if settings.cache > 0 {
            dataset = Arc::new(Cached::new(dataset, settings.cache.saturating_mul(1_000_000)));
        }
        let images = Images { dataset, transform };
        Loader::over(images, &options).map_err(|e| e.at("`data`"))
    }

    /// One pass over the test images in order, by their middle squares.
    ///
    /// # Errors
    /// A number out of range.
    pub fn test_images(&self, batch: usize) -> Result<EvalLoader> {
        let images = Images { dataset: self.parts.test.clone(), transform: self.middle()? };
        EvalLoader::over(images, &self.source.loader_options(batch, 0))
    }

    /// The first images of the test part, to be looked at.
    ///
    /// # Errors
    /// There are none, or they can't be read.
    pub fn first_test_images(&self, count: usize) -> Result<Batch> {
        let mut images = self.test_images(count)?;
        if let Some(batch) = images.next() {
            return batch;
        }
        Err(match images.broken().values().next() {
            Some(broken) => Error::user(format!("no test image can be read: {}", broken.message)),
            None => Error::user("there are no test images").help("raise data.holdout"),
        })
    }

    /// Why no head on classes can be measured on these data; none if one can. Images without a class are left
    /// out, so that it takes two classes to fit and one to score.
    pub fn without_classes(&self) -> Option<String> {
        let Parts { train, test, .. } = &self.parts;
        let has = |part: &dyn Dataset, count: usize| {
            let mut seen = BTreeSet::new();
            (0..part.len()).any(|index| {
                seen.extend(part.label(index));
                seen.len() >= count
            })
        };
        let classes = train.classes().len();
        if classes < 2 || !has(&**train, 2) {
            let classes = counted(classes.min(1), "class", "classes");
            return Some(format!("the training part has images of {classes}"));
        }
        (!has(&**test, 1)).then(|| "no image of the test part has a class".to_owned())
    }

    /// What frozen features are made of: the middle squares of the images that are drawn, with their classes.
    ///
    /// # Errors
    /// Too few images of a class.
    pub fn labelled(&self, draw: &Draw) -> Result<Box<dyn LabelledSplits<Class>>> {
        let options = self.source.loader_options(BATCH, draw.seed);
        let examples = ClassExamples::plain(&self.parts, draw, &self.middle()?, options);
        Ok(Box::new(examples.map_err(|e| e.at(self.source.location()))?))
    }

    fn middle(&self) -> Result<Transform> {
        let DataSettings { image_size: size, filter, .. } = self.source.settings;
        self.source.transform(size, Augment { filter, ..Augment::centre(size) })
    }
}

/// The crop of pre-training.
fn crop(settings: &DataSettings) -> Result<Crop> {
    if settings.pad > 0 {
        let border = match settings.pad_mode {
            PadMode::Zero => Border::Black,
            PadMode::Reflect => Border::Reflect,
        };
        return Ok(Crop::Padded { padding: settings.pad, border });
    }
    match (&settings.crop_scale[..], &settings.crop_ratio[..]) {
        ([], _) => Ok(Crop::Centre { resize: settings.image_size }),
        (&[low, high], &[least, most]) => {
            Ok(Crop::RandomResized { scale: (low, high), ratio: (least, most) })
        }
        ([_, _], _) => Err(Error::user("needs a smallest and a largest value").at("`data.crop_ratio`")),
        _ => Err(Error::user("needs a smallest and a largest value, or none").at("`data.crop_scale`")),
    }
}

//! What a reader is: a name, keys of its own, and ways to open images, label maps or objects.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::recipe::ReaderKeys;
use palimpsest_core::registry::{self, Registered};
use palimpsest_core::settings::{Field, Section, Settings};
use palimpsest_core::{Error, Result, inventory};
use palimpsest_targets::{DetectionData, LabelSetData, SegmentationData, ValueData};

use crate::spec::DataSpec;

/// An opened part of a data set.
pub struct Opened<D: ?Sized = dyn Dataset> {
    /// The samples.
    pub dataset: Arc<D>,
    /// What the user may want to know, one sentence each: files passed over, a part held out.
    pub notes: Vec<String>,
    /// What the part is called in the data (`valid`), or how it was made; empty where the data name none.
    pub part: String,
}

impl<D: ?Sized> Opened<D> {
    /// With nothing to tell.
    pub fn new(dataset: Arc<D>) -> Self {
        Self { dataset, notes: Vec::new(), part: String::new() }
    }

    /// The same, of the part that the data call so.
    #[must_use]
    pub fn part(self, name: impl Into<String>) -> Self {
        Self { part: name.into(), ..self }
    }

    /// The same, with what the user may want to know.
    #[must_use]
    pub fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

/// Opens data of a layout as `D`: images (`dyn Dataset`), `dyn SegmentationData`, `dyn DetectionData`,
/// `dyn LabelSetData` or `dyn ValueData`.
///
/// An implementation is registered by a [`ReaderEntry`], in this crate or in a user's, and is then a value of
/// `data.name` in recipes.
pub trait Reader<D: ?Sized = dyn Dataset> {
    /// The keys of `[data.reader]`.
    type Settings: Settings;

    /// Opens a part. Images may be broken: that is found when they are loaded.
    ///
    /// # Errors
    /// A path that is missing or has another layout, broken files of fixed format.
    fn open(settings: &Self::Settings, spec: &DataSpec, split: Split) -> Result<Opened<D>>;
}

palimpsest_core::settings! {
    /// `[data.reader]` where there is nothing to say.
    pub struct NoKeys {}
}

palimpsest_core::settings! {
    /// `[data.reader]` of readers of image files.
    pub struct ImageFiles {
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

palimpsest_core::settings! {
    /// `[data.reader]` of readers of image files that may have to be told their classes.
    pub struct NamedImageFiles {
        /// The names of the classes, in the order of the labels; [] for those that the files tell.
        classes: Vec<String> = Vec::new();
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

type Open<D> = fn(&Section, &DataSpec, Split) -> Result<Opened<D>>;

/// A reader in the registry. Data with targets are data of images too.
pub struct ReaderEntry {
    /// The name in a recipe: `data.name`.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The files that are expected at `data.path`.
    pub layout: &'static str,
    /// The keys of `[data.reader]`.
    pub fields: fn() -> Vec<Field>,
    /// Checks them.
    pub check: fn(&Section) -> Result<()>,
    images: Option<Open<dyn Dataset>>,
    pub(crate) segmentation: Option<Open<dyn SegmentationData>>,
    pub(crate) detection: Option<Open<dyn DetectionData>>,
    pub(crate) label_sets: Option<Open<dyn LabelSetData>>,
    pub(crate) values: Option<Open<dyn ValueData>>,
}

impl ReaderEntry {
    const fn empty<S: Settings>(name: &'static str, summary: &'static str, layout: &'static str) -> Self {
        let check: fn(&Section) -> Result<()> = |keys| keys.read::<S>().map(drop);
        let (images, segmentation, detection) = (None, None, None);
        let (label_sets, values) = (None, None);
        let fields = S::fields;
        Self { name, summary, layout, fields, check, images, segmentation, detection, label_sets, values }
    }

    /// A reader of images, with or without a class each.
    pub const fn images<R: Reader>(name: &'static str, summary: &'static str, layout: &'static str) -> Self {
        let mut entry = Self::empty::<R::Settings>(name, summary, layout);
        entry.images = Some(|keys, spec, split| R::open(&keys.read()?, spec, split));
        entry
    }

    /// A reader of images with a class for each pixel.
    pub const fn segmentation<R: Reader<dyn SegmentationData>>(
        name: &'static str,
        summary: &'static str,
        layout: &'static str,
    ) -> Self {
        Self::empty::<R::Settings>(name, summary, layout).with_segmentation::<R>()
    }

    /// A reader of images with objects.
    pub const fn detection<R: Reader<dyn DetectionData>>(
        name: &'static str,
        summary: &'static str,
        layout: &'static str,
    ) -> Self {
        let mut entry = Self::empty::<R::Settings>(name, summary, layout);
        entry.detection = Some(|keys, spec, split| R::open(&keys.read()?, spec, split));
        entry
    }

    /// The same, which can open a class for each pixel too; the keys are those of the first.
    #[must_use]
    pub const fn with_segmentation<R: Reader<dyn SegmentationData>>(mut self) -> Self {
        self.segmentation = Some(|keys, spec, split| R::open(&keys.read()?, spec, split));
        self
    }

    /// The same, which can open a set of labels for each image too.
    #[must_use]
    pub const fn with_label_sets<R: Reader<dyn LabelSetData>>(mut self) -> Self {
        self.label_sets = Some(|keys, spec, split| R::open(&keys.read()?, spec, split));
        self
    }

    /// The same, which can open numbers for each image too.
    #[must_use]
    pub const fn with_values<R: Reader<dyn ValueData>>(mut self) -> Self {
        self.values = Some(|keys, spec, split| R::open(&keys.read()?, spec, split));
        self
    }

    /// Opens a part as images.
    pub(crate) fn open(&self, spec: &DataSpec, split: Split) -> Result<Opened> {
        if let Some(open) = self.images {
            return open(&spec.reader, spec, split);
        }
        if let Some(open) = self.detection {
            let Opened { dataset, notes, part } = open(&spec.reader, spec, split)?;
            return Ok(Opened { dataset, notes, part });
        }
        match self.segmentation {
            Some(open) => {
                let Opened { dataset, notes, part } = open(&spec.reader, spec, split)?;
                Ok(Opened { dataset, notes, part })
            }
            None => Err(Error::failure(format!("the reader `{}` opens nothing", self.name))),
        }
    }
}

inventory::collect!(ReaderEntry);

/// The keys of a reader, for what recipes say of a mistyped one.
fn keys_of(name: &str) -> Vec<&'static str> {
    let entry = registry::find::<ReaderEntry>("data set", name);
    entry.map_or_else(|_| vec![], |entry| (entry.fields)().iter().map(|field| field.name).collect())
}

inventory::submit! { ReaderKeys(keys_of) }

impl Registered for ReaderEntry {
    fn name(&self) -> &'static str {
        self.name
    }
    fn summary(&self) -> &'static str {
        self.summary
    }
    fn fields(&self) -> Vec<Field> {
        (self.fields)()
    }
}

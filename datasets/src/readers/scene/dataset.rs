//! Scenes as data sets.

use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Image};
use palimpsest_targets::{DetectionData, LabelMap, Object, SegmentationData};

use super::compose::{Scene, compose};
use super::settings::SceneSettings;
use crate::embedded::fashion_mnist;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// The scenes of a part. Each is composed when it is asked for.
pub struct Scenes {
    items: Arc<dyn Dataset>,
    settings: SceneSettings,
    split: Split,
}

impl Scenes {
    /// Scenes of the embedded sample's items of the same part.
    ///
    /// # Errors
    /// A setting out of range.
    pub fn open(settings: SceneSettings, split: Split) -> Result<Self> {
        settings.check()?;
        Ok(Self { items: fashion_mnist(split)?, settings, split })
    }

    /// How many scenes there are.
    pub fn count(&self) -> usize {
        if self.split == Split::Train { self.settings.count.0 } else { self.settings.count.1 }
    }

    /// The items that scenes are composed of.
    pub fn items(&self) -> &dyn Dataset {
        &*self.items
    }

    /// Composes a scene.
    ///
    /// # Errors
    /// None that a sound build can have.
    pub fn scene(&self, index: usize) -> Result<Scene> {
        compose(&*self.items, &self.settings, self.split, index as u64)
    }

    fn location(&self, index: usize) -> String {
        format!("scene {index} ({})", self.split)
    }
}

/// Scenes with the items as objects.
pub struct SceneDetection(pub Scenes);

impl Dataset for SceneDetection {
    fn len(&self) -> usize {
        self.0.count()
    }
    fn classes(&self) -> &[String] {
        self.0.items.classes()
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn load(&self, index: usize) -> Result<Image> {
        self.0.scene(index).map(|scene| scene.image.into())
    }
    fn location(&self, index: usize) -> String {
        self.0.location(index)
    }
}

impl DetectionData for SceneDetection {
    fn sample(&self, index: usize) -> Result<(Image, Vec<Object>)> {
        self.0.scene(index).map(|scene| (scene.image.into(), scene.objects))
    }
}

/// Scenes with a class for each pixel.
pub struct SceneSegmentation {
    scenes: Scenes,
    classes: Vec<String>,
}

impl SceneSegmentation {
    /// The background is the first class.
    pub fn new(scenes: Scenes) -> Self {
        let items = scenes.items.classes().iter().cloned();
        let classes = std::iter::once("background".to_owned()).chain(items).collect();
        Self { scenes, classes }
    }
}

impl Dataset for SceneSegmentation {
    fn len(&self) -> usize {
        self.scenes.count()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn load(&self, index: usize) -> Result<Image> {
        self.scenes.scene(index).map(|scene| scene.image.into())
    }
    fn location(&self, index: usize) -> String {
        self.scenes.location(index)
    }
}

impl SegmentationData for SceneSegmentation {
    fn sample(&self, index: usize) -> Result<(Image, LabelMap)> {
        let scene = self.scenes.scene(index)?;
        let labels = scene.labels();
        Ok((scene.image.into(), labels))
    }
}

/// `scenes`
pub struct SceneReader;

impl Reader<dyn DetectionData> for SceneReader {
    type Settings = SceneSettings;

    fn open(settings: &SceneSettings, spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
        spec.no_path()?;
        spec.of_8_bits()?;
        Ok(Opened::new(Arc::new(SceneDetection(Scenes::open(*settings, split)?))))
    }
}

impl Reader<dyn SegmentationData> for SceneReader {
    type Settings = SceneSettings;

    fn open(settings: &SceneSettings, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        spec.no_path()?;
        spec.of_8_bits()?;
        Ok(Opened::new(Arc::new(SceneSegmentation::new(Scenes::open(*settings, split)?))))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::detection::<SceneReader>(
        "scenes",
        "scenes composed of the embedded sample: 2,000 + 500, 96x96 RGB, 10 classes; segmentation, detection",
        "nothing: they are composed by the program",
    )
    .with_segmentation::<SceneReader>()
}

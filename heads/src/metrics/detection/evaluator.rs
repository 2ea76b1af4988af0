//! Collecting images.

use std::collections::BTreeMap;

use palimpsest_core::head::MetricState;
use palimpsest_core::{Error, Result};
use palimpsest_targets::{BoundingBox, Object, Rle};

use super::accumulate::{ImageOfClass, Precision, accumulate, put_images, take_images};
use super::matching::{GroundTruth, ScoredArea, best_first, match_up};
use super::scores::CocoScores;
use super::settings::Area;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IouKind {
    /// Boxes (`bbox`).
    Box,
    /// Masks (`segm`).
    Mask,
}

/// What a model found.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Its class.
    pub class: u32,
    /// How sure the model is; the higher the surer.
    pub score: f64,
    /// Where it is.
    pub bounds: BoundingBox,
    /// Its pixels, of the image's size; needed to score masks.
    pub mask: Option<Rle>,
}

/// Objects and detections of a data set, image by image.
#[derive(Debug, Clone)]
pub struct CocoEvaluator {
    kind: IouKind,
    classes: usize,
    images: usize,
    /// By class, in the order of the images.
    parts: BTreeMap<u32, Vec<ImageOfClass>>,
}

impl CocoEvaluator {
    /// Without any image.
    pub fn new(kind: IouKind, classes: usize) -> Self {
        Self { kind, classes, images: 0, parts: BTreeMap::new() }
    }

    /// Adds an image: what is there, and what was found. Where scores are equal across images, the
    /// earlier image comes first, so add them in the order of their ids to get pycocotools' figures.
    ///
    /// # Errors
    /// A class out of range, a score that is not a number, a mask that is missing or of another size.
    pub fn add(&mut self, objects: &[Object], detections: &[Detection]) -> Result<()> {
        self.check(objects, detections)
            .map_err(|e| e.at(format_args!("image {} of the evaluation", self.images)))?;
        self.images += 1;
        let mut classes: Vec<u32> =
            objects.iter().map(|o| o.class).chain(detections.iter().map(|d| d.class)).collect();
        classes.sort_unstable();
        classes.dedup();
        for class in classes {
            let objects: Vec<&Object> = objects.iter().filter(|o| o.class == class).collect();
            let detections: Vec<&Detection> = detections.iter().filter(|d| d.class == class).collect();
            let part = self.compare(&objects, &detections);
            self.parts.entry(class).or_default().push(part);
        }
        Ok(())
    }

    fn check(&self, objects: &[Object], detections: &[Detection]) -> Result<()> {
        let class = |class: u32, what: &str| {
            if (class as usize) < self.classes {
                return Ok(());
            }
            Err(Error::user(format!("{what} has class {class}, of {} classes", self.classes))
                .help("use the classes that the evaluator was made for"))
        };
        for (i, object) in objects.iter().enumerate() {
            class(object.class, &format!("object {i}"))?;
        }
        for (i, detection) in detections.iter().enumerate() {
            class(detection.class, &format!("detection {i}"))?;
            if detection.score.is_nan() {
                return Err(Error::failure(format!("the score of detection {i} is not a number")));
            }
        }
        if self.kind == IouKind::Box {
            return Ok(());
        }
        let objects = objects.iter().map(|o| ("object", o.mask.as_ref()));
        let detections = detections.iter().map(|d| ("detection", d.mask.as_ref()));
        let mut size = None;
        for (i, (what, mask)) in objects.chain(detections).enumerate() {
            let mask = mask.ok_or_else(|| {
                Error::user(format!("{what} {i} has no mask"))
                    .help("score boxes alone, or use data and a head with masks")
            })?;
            let own = (mask.width(), mask.height());
            let (width, height) = *size.get_or_insert(own);
            if own != (width, height) {
                return Err(Error::user(format!(
                    "the mask of {what} {i} has {}x{} pixels, another {width}x{height}",
                    own.0, own.1
                ))
                .help("give every mask the size of its image"));
            }
        }
        Ok(())
    }

    fn compare(&self, objects: &[&Object], detections: &[&Detection]) -> ImageOfClass {
        let scores: Vec<f64> = detections.iter().map(|d| d.score).collect();
        let order = best_first(&scores);
        let wanted: Vec<GroundTruth> =
            objects.iter().map(|o| GroundTruth { area: o.area, crowd: o.crowd, ignore: o.ignore }).collect();
        let found: Vec<ScoredArea> =
            order.iter().map(|&d| ScoredArea { score: scores[d], area: self.area(detections[d]) }).collect();
        let mut ious = Vec::with_capacity(found.len() * wanted.len());
        for &d in &order {
            ious.extend(objects.iter().map(|object| self.iou(detections[d], object)));
        }
        ImageOfClass {
            scores: found.iter().map(|f| f.score).collect(),
            matches: Area::ALL.map(|area| match_up(&found, &wanted, &ious, area)),
        }
    }

    fn area(&self, detection: &Detection) -> f64 {
        match (self.kind, &detection.mask) {
            (IouKind::Mask, Some(mask)) => mask.area() as f64,
            _ => detection.bounds.area(),
        }
    }

    fn iou(&self, detection: &Detection, object: &Object) -> f64 {
        match (self.kind, &detection.mask, &object.mask) {
            (IouKind::Mask, Some(detected), Some(truth)) => detected.iou(truth, object.crowd),
            _ => detection.bounds.iou(&object.bounds, object.crowd),
        }
    }

    /// Puts all that was added into a state.
    pub fn put(&self, state: &mut MetricState) {
        state.put(&[self.images as u64]);
        state.put(&self.parts.keys().copied().collect::<Vec<_>>());
        for images in self.parts.values() {
            put_images(images, state);
        }
    }

    /// Adds what [`CocoEvaluator::put`] has put, as images behind those that are here.
    ///
    /// # Errors
    /// A state of another metric.
    pub fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        self.images += state.take_one::<u64>()? as usize;
        for class in state.take::<u32>()? {
            self.parts.entry(class).or_default().extend(take_images(state)?);
        }
        Ok(())
    }

    /// How many images were added.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The scores of all images so far.
    pub fn scores(&self) -> CocoScores {
        let none = Vec::new();
        let table: Vec<Precision> = (0..self.classes as u32)
            .map(|class| accumulate(self.parts.get(&class).unwrap_or(&none)))
            .collect();
        CocoScores::of(&table)
    }
}

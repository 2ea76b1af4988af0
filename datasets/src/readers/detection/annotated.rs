//! Images with annotated objects, whatever the format they came in.

use std::path::PathBuf;
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{BoundingBox, DetectionData, Object, Rle};

use crate::decode::{DecodeOptions, Exif, decode_file};
use crate::formats::tally::Tally;
use crate::formats::turned::{Mismatch, TargetImages, note_on_turned};
use crate::reader::Opened;

/// How far a box may reach over its image's edge without being counted, in pixels: annotation tools round.
pub const SLACK: f64 = 2.0;

/// An object as its file has it. Masks stay in that form until they are asked for: decoded, those of
/// COCO would not fit into memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// Its class.
    pub class: u32,
    /// Its box.
    pub bounds: BoundingBox,
    /// Its outline or mask.
    pub shape: Shape,
    /// Its area, if it is annotated; else the mask's or the box's.
    pub area: Option<f64>,
    /// COCO's `iscrowd`.
    pub crowd: bool,
    /// VOC's `difficult`.
    pub ignore: bool,
}

/// Which pixels an object has.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Not told.
    Unknown,
    /// Polygons of x, y, x, y, … in pixels.
    Polygons(Vec<Vec<f64>>),
    /// Run lengths.
    Mask(Rle),
}

/// An image and its objects.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotatedImage {
    /// Its file.
    pub path: PathBuf,
    /// Width and height as annotated, if they are.
    pub size: Option<(usize, usize)>,
    /// Its objects.
    pub annotations: Vec<Annotation>,
}

/// What boxes and polygons are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Pixels.
    Pixels,
    /// Shares of the image's sides.
    Shares,
}

/// Images with their objects.
#[derive(Debug)]
pub struct AnnotatedList {
    images: Vec<AnnotatedImage>,
    classes: Vec<String>,
    unit: Unit,
    options: DecodeOptions,
}

impl AnnotatedList {
    /// A list; its boxes have been checked with `fitted`.
    pub fn new(
        images: Vec<AnnotatedImage>,
        classes: Vec<String>,
        unit: Unit,
        options: DecodeOptions,
    ) -> Self {
        Self { images, classes, unit, options }
    }

    /// The list as an opened part: what was counted, and images that EXIF turns, become notes.
    pub(crate) fn opened(self, part: String, tally: &Tally) -> Opened<dyn DetectionData> {
        let mut notes = tally.notes(&part);
        let file = |i: usize| (&*self.images[i].path, self.images[i].size);
        let (count, exif) = (self.images.len(), self.options.exif);
        notes.extend(note_on_turned(TargetImages { part: &part, count, exif, targets: "boxes" }, file));
        Opened::new(Arc::new(self) as Arc<dyn DetectionData>).notes(notes).part(part)
    }

    /// What is annotated of an image.
    pub fn image(&self, index: usize) -> &AnnotatedImage {
        &self.images[index]
    }

    /// The objects of an image of `width` x `height`, without loading it.
    ///
    /// # Errors
    /// A polygon that can't be one.
    pub fn objects(&self, index: usize, width: usize, height: usize) -> Result<Vec<Object>> {
        let image = &self.images[index];
        let all = image.annotations.iter().enumerate().map(|(i, annotation)| {
            annotation
                .object(width, height, self.unit)
                .map_err(|e| e.at(format_args!("{}: object {}", image.path.display(), i + 1)))
        });
        all.collect()
    }
}

impl Annotation {
    fn object(&self, width: usize, height: usize, unit: Unit) -> Result<Object> {
        let relative = unit == Unit::Shares;
        let (across, down) = if relative { (width as f64, height as f64) } else { (1.0, 1.0) };
        let b = self.bounds;
        let mut bounds = BoundingBox::new(b.left * across, b.top * down, b.width * across, b.height * down);
        if bounds.right() > width as f64 || bounds.bottom() > height as f64 {
            // Its image told no size when it was opened.
            bounds = bounds.clipped(width as f64, height as f64);
        }
        let mask = match &self.shape {
            Shape::Unknown => None,
            Shape::Mask(mask) => Some(mask.clone()),
            Shape::Polygons(pieces) if relative => {
                let scale = |piece: &Vec<f64>| -> Vec<f64> {
                    piece
                        .iter()
                        .enumerate()
                        .map(|(i, v)| v * if i % 2 == 0 { across } else { down })
                        .collect()
                };
                let pieces: Vec<Vec<f64>> = pieces.iter().map(scale).collect();
                Some(Rle::from_polygons(width, height, &pieces)?)
            }
            Shape::Polygons(pieces) => Some(Rle::from_polygons(width, height, pieces)?),
        };
        let own_area = mask.as_ref().map_or_else(|| bounds.area(), |mask| mask.area() as f64);
        let area = self.area.unwrap_or(own_area);
        Ok(Object { class: self.class, bounds, mask, area, crowd: self.crowd, ignore: self.ignore })
    }
}

/// A box cut to its image of `width` x `height`, as torchvision and detectron2 cut them; none if nothing is left,
/// as of a few of COCO's. What is left out, or cut by more than `slack`, is counted.
///
/// # Errors
/// A box that isn't finite or has a negative side.
pub(crate) fn fitted(
    bounds: BoundingBox,
    (width, height): (f64, f64),
    slack: f64,
    tally: &mut Tally,
) -> Result<Option<BoundingBox>> {
    let [left, top, right, bottom] = [bounds.left, bounds.top, bounds.right(), bounds.bottom()];
    let finite = [left, top, right, bottom].iter().all(|v| v.is_finite());
    if !finite || bounds.width < 0.0 || bounds.height < 0.0 {
        return Err(Error::user(format!("the box from ({left}, {top}) to ({right}, {bottom}) is none"))
            .help("correct or remove it"));
    }
    let inside = bounds.clipped(width, height);
    if inside.is_empty() {
        tally.add(match bounds.is_empty() {
            true => "boxes without area were left out",
            false => "boxes outside of their images were left out",
        });
        return Ok(None);
    }
    if left < -slack || top < -slack || right > width + slack || bottom > height + slack {
        tally.add("boxes reached over the edge of their images and were cut there");
    }
    Ok(Some(inside))
}

impl Dataset for AnnotatedList {
    fn len(&self) -> usize {
        self.images.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn load(&self, index: usize) -> Result<Image> {
        decode_file(&self.images[index].path, self.options)
    }
    fn location(&self, index: usize) -> String {
        self.images[index].path.display().to_string()
    }
    fn name(&self, index: usize) -> Option<String> {
        self.images[index].path.file_name().map(|name| name.to_string_lossy().into_owned())
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        // Whoever decodes the file turns it upright.
        (self.options.exif == Exif::Apply).then(|| Encoded::File(self.images[index].path.clone()))
    }
}

impl DetectionData for AnnotatedList {
    fn sample(&self, index: usize) -> Result<(Image, Vec<Object>)> {
        let image = self.load(index)?;
        if let Some((width, height)) = self.images[index].size
            && (width, height) != (image.width, image.height)
        {
            let error = Error::user(format!(
                "the image has {}x{} pixels, its annotation says {width}x{height}",
                image.width, image.height
            ));
            let mismatch = Mismatch {
                path: &self.images[index].path,
                have: (image.width, image.height),
                told: (width, height),
                exif: self.options.exif,
            };
            return Err(mismatch
                .explain(error)
                .at(self.location(index))
                .help("use the image that was annotated, or correct the size"));
        }
        let objects = self.objects(index, image.width, image.height)?;
        Ok((image, objects))
    }
}

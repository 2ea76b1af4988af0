//! Images with annotated objects, whatever the format they came in.

use std::path::PathBuf;

use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{BoundingBox, DetectionData, Object, Rle};

use crate::decode::{DecodeOptions, decode_file};

/// How far a box may reach over its image's edge, in pixels: annotation tools round. What reaches
/// over is cut off.
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
    /// Width and height as annotated; none where boxes are relative: then box and polygons are in
    /// shares of the image.
    pub size: Option<(usize, usize)>,
    /// Its objects.
    pub annotations: Vec<Annotation>,
}

/// Images with their objects.
#[derive(Debug)]
pub struct AnnotatedList {
    images: Vec<AnnotatedImage>,
    classes: Vec<String>,
    options: DecodeOptions,
}

impl AnnotatedList {
    /// A list; its boxes have been checked with [`fitted`].
    pub fn new(images: Vec<AnnotatedImage>, classes: Vec<String>, options: DecodeOptions) -> Self {
        Self { images, classes, options }
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
        let relative = image.size.is_none();
        let all = image.annotations.iter().enumerate().map(|(i, annotation)| {
            annotation
                .object(width, height, relative)
                .map_err(|e| e.at(format_args!("{}: object {}", image.path.display(), i + 1)))
        });
        all.collect()
    }
}

impl Annotation {
    fn object(&self, width: usize, height: usize, relative: bool) -> Result<Object> {
        let (across, down) = if relative { (width as f64, height as f64) } else { (1.0, 1.0) };
        let b = self.bounds;
        let bounds = BoundingBox::new(b.left * across, b.top * down, b.width * across, b.height * down);
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

/// A box cut to its image of `width` x `height`; none if it has no area, as a few of COCO's have.
///
/// # Errors
/// A box that isn't finite, has a negative side, or reaches over the edge by more than `slack`.
pub fn fitted(bounds: BoundingBox, width: f64, height: f64, slack: f64) -> Result<Option<BoundingBox>> {
    let sides = [bounds.left, bounds.top, bounds.right(), bounds.bottom()];
    let told = || {
        let [left, top, right, bottom] = sides;
        format!("the box from ({left}, {top}) to ({right}, {bottom})")
    };
    if sides.iter().any(|v| !v.is_finite()) || bounds.width < 0.0 || bounds.height < 0.0 {
        return Err(Error::user(format!("{} is none", told())).help("correct or remove it"));
    }
    let outside =
        sides[0] < -slack || sides[1] < -slack || sides[2] > width + slack || sides[3] > height + slack;
    if outside {
        return Err(Error::user(format!("{} is outside of the image of {width}x{height}", told()))
            .help("correct or remove it"));
    }
    let inside = bounds.clipped(width, height);
    Ok((!inside.is_empty()).then_some(inside))
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
}

impl DetectionData for AnnotatedList {
    fn sample(&self, index: usize) -> Result<(Image, Vec<Object>)> {
        let image = self.load(index)?;
        if let Some((width, height)) = self.images[index].size
            && (width, height) != (image.width, image.height)
        {
            return Err(Error::user(format!(
                "the image has {}x{} pixels, its annotation says {width}x{height}",
                image.width, image.height
            ))
            .at(self.location(index))
            .help("use the image that was annotated, or correct the size"));
        }
        let objects = self.objects(index, image.width, image.height)?;
        Ok((image, objects))
    }
}

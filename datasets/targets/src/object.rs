//! One object of an image.

use crate::{BoundingBox, Rle};

/// An annotated object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its class, an index into the data set's classes.
    pub class: u32,
    /// Where it is.
    pub bounds: BoundingBox,
    /// Its pixels, of the image's size, where the data have them.
    pub mask: Option<Rle>,
    /// Its area in pixels as annotated: what decides whether it is small, medium or large.
    pub area: f64,
    /// Whether it stands for many objects that were not told apart (COCO's `iscrowd`).
    pub crowd: bool,
    /// Whether it is neither asked for nor a mistake to find (VOC's `difficult`); crowds are
    /// ignored in any case.
    pub ignore: bool,
}

impl Object {
    /// An object with a box alone.
    pub fn boxed(class: u32, bounds: BoundingBox) -> Self {
        Self { class, bounds, mask: None, area: bounds.area(), crowd: false, ignore: false }
    }

    /// An object with exactly these pixels: box and area follow from them.
    pub fn masked(class: u32, mask: Rle) -> Self {
        let (bounds, area) = (mask.bounds(), mask.area() as f64);
        Self { class, bounds, mask: Some(mask), area, crowd: false, ignore: false }
    }
}

//! Data sets with targets. They are data sets of images too, so that an encoder can be pre-trained
//! on the same files.

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::head::{LabelSet, Values};

use crate::{LabelMap, Object};

/// Images with a class for each pixel; `classes` are those of the pixels.
pub trait SegmentationData: Dataset {
    /// The image and its label map, of one size; labels are below `classes().len()` or
    /// [`crate::IGNORE`].
    ///
    /// # Errors
    /// A broken file, a map of another size, a label that is no class: the error names the file.
    fn sample(&self, index: usize) -> Result<(Image, LabelMap)>;
}

/// Images with objects; `classes` are those of the objects.
pub trait DetectionData: Dataset {
    /// The image and its objects, possibly none. Boxes lie within the image, masks have its size.
    ///
    /// # Errors
    /// A broken file, a box outside of the image, a mask of another size: the error names the place.
    fn sample(&self, index: usize) -> Result<(Image, Vec<Object>)>;
}

/// Images with a set of labels each; `classes` are the labels.
pub trait LabelSetData: Dataset {
    /// Which of the labels the image has, and which are unknown of it; as many as there are `classes`.
    ///
    /// # Errors
    /// An annotation that can't be read: the error names the place.
    fn labels(&self, index: usize) -> Result<LabelSet>;
}

/// Images with numbers each.
pub trait ValueData: Dataset {
    /// What the numbers are called.
    fn value_names(&self) -> &[String];
    /// The numbers of an image, as many as there are names.
    ///
    /// # Errors
    /// An annotation that can't be read: the error names the place.
    fn values(&self, index: usize) -> Result<Values>;
}

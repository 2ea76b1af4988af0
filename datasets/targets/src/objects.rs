//! The objects of an image, as a detector is trained on them and scored by them.

use palimpsest_core::head::Target;

use crate::{BoundingBox, Object};

/// Objects in pixels of an image, and how the image stands in the frame that a detector sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// Width and height of the image.
    pub image_size: (usize, usize),
    /// Pixels of the frame for one of the image, across and down; the image's corner is the frame's.
    pub scale: (f64, f64),
    /// The objects.
    pub objects: Vec<Object>,
}

impl Target for Objects {
    const NAME: &'static str = "objects in each image";
}

impl Objects {
    /// Of an image that is the frame.
    pub fn framed(image_size: (usize, usize), objects: Vec<Object>) -> Self {
        Self { image_size, scale: (1.0, 1.0), objects }
    }

    /// Those that are to be learnt: neither crowds nor objects to ignore.
    pub fn wanted(&self) -> Vec<Object> {
        self.objects.iter().filter(|o| !o.crowd && !o.ignore).cloned().collect()
    }

    /// Boxes alone in pixels of a frame of `width` x `height`, for drawing.
    #[must_use]
    pub fn in_frame(&self, width: usize, height: usize) -> Self {
        let (across, down) = self.scale;
        let location = |o: &Object| {
            let b = o.bounds;
            let bounds = BoundingBox::new(b.left * across, b.top * down, b.width * across, b.height * down);
            Object { bounds, mask: None, ..o.clone() }
        };
        Self::framed((width, height), self.objects.iter().map(location).collect())
    }
}

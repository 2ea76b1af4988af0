//! What Mask R-CNN finds in an image.

use palimpsest_targets::Rle;

use super::paste_mask;
use crate::detection::{BoxXyxy, Detection, FoundObject};

/// The side of a predicted mask.
pub const MASK: usize = 28;

/// A box with its mask.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionWithMask {
    /// The box.
    pub found: Detection,
    /// `MASK` x `MASK` probabilities within it.
    pub mask: Vec<f32>,
}

impl FoundObject for DetectionWithMask {
    const MASKED: bool = true;

    fn found(&self) -> &Detection {
        &self.found
    }

    fn mask(&self, edges: &BoxXyxy, image_size: (usize, usize)) -> Option<Rle> {
        Some(paste_mask(&self.mask, MASK, edges, image_size))
    }
}

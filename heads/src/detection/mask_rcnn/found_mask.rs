//! What Mask R-CNN finds in an image.

use palimpsest_targets::Rle;

use super::paste_mask;
use crate::detection::{Edges, Found, FoundObject};

/// The side of a predicted mask.
pub const MASK: usize = 28;

/// A box with its mask.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMask {
    /// The box.
    pub found: Found,
    /// `MASK` x `MASK` probabilities within it.
    pub mask: Vec<f32>,
}

impl FoundObject for FoundMask {
    const MASKED: bool = true;

    fn found(&self) -> &Found {
        &self.found
    }

    fn mask(&self, edges: &Edges, image_size: (usize, usize)) -> Option<Rle> {
        Some(paste_mask(&self.mask, MASK, edges, image))
    }
}

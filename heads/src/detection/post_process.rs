//! What a detector finds in the image that it sees.

use palimpsest_targets::Rle;

use super::BoxXyxy;
use super::nms::batched_nms;

/// An object that a detector found, with whatever it says of it.
pub trait FoundObject {
    /// Whether such objects have masks.
    const MASKED: bool;

    /// Box, class and score.
    fn found(&self) -> &Detection;

    /// The mask in an image of this width and height, where its box is `edges`.
    fn mask(&self, edges: &BoxXyxy, image_size: (usize, usize)) -> Option<Rle>;
}

/// A box with its class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Where.
    pub edges: BoxXyxy,
    /// The class, an index into the data set's.
    pub class: usize,
    /// The score, 0..=1.
    pub score: f64,
}

impl FoundObject for Detection {
    const MASKED: bool = false;

    fn found(&self) -> &Detection {
        self
    }

    fn mask(&self, _: &BoxXyxy, _: (usize, usize)) -> Option<Rle> {
        None
    }
}

/// What is reported of all that a detector considers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PostProcess {
    /// Boxes of a lower or equal score are left out.
    pub score_threshold: f64,
    /// Of two boxes of a class, the worse is left out where their IoU is above this.
    pub nms: f64,
    /// The most boxes of an image.
    pub max_detections: usize,
}

impl PostProcess {
    /// Clips boxes to the image, drops those too small to be seen, suppresses class by class; the best first.
    pub fn select(&self, mut found: Vec<Detection>, image: [usize; 2]) -> Vec<Detection> {
        found.iter_mut().for_each(|f| f.edges = f.edges.clipped(image));
        found.retain(|f| f.score > self.score_threshold && f.edges.width() > 0.01 && f.edges.height() > 0.01);
        let edges: Vec<BoxXyxy> = found.iter().map(|f| f.edges).collect();
        let scores: Vec<f64> = found.iter().map(|f| f.score).collect();
        let classes: Vec<usize> = found.iter().map(|f| f.class).collect();
        let kept = batched_nms(&edges, &scores, &classes, self.nms);
        kept.into_iter().take(self.max_detections).map(|i| found[i]).collect()
    }
}

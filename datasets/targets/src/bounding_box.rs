//! Boxes in pixels, as COCO writes them.

/// A box in continuous pixel coordinates: pixel (0, 0) covers 0..1 x 0..1. It is kept as COCO keeps
/// it (corner and size), so that scores are the same to the last bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// The left edge.
    pub left: f64,
    /// The top edge.
    pub top: f64,
    /// The width, not below 0.
    pub width: f64,
    /// The height, not below 0.
    pub height: f64,
}

impl BoundingBox {
    /// From corner and size.
    pub fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self { left, top, width, height }
    }

    /// From the edges.
    pub fn from_edges(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self { left, top, width: right - left, height: bottom - top }
    }

    /// The right edge.
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// The bottom edge.
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Width times height.
    pub fn area(&self) -> f64 {
        self.width * self.height
    }

    /// Whether no pixel can be in it.
    pub fn is_empty(&self) -> bool {
        !(self.width > 0.0 && self.height > 0.0)
    }

    /// The part within an image of `width` x `height`; empty where there is none.
    #[must_use]
    pub fn clipped(&self, width: f64, height: f64) -> Self {
        let (left, right) = (self.left.clamp(0.0, width), self.right().clamp(0.0, width));
        let (top, bottom) = (self.top.clamp(0.0, height), self.bottom().clamp(0.0, height));
        Self::from_edges(left, top, right, bottom)
    }

    /// Intersection over union; with a crowd as `truth`, intersection over the own area, since a
    /// detection inside a crowd is right wherever it is.
    pub fn iou(&self, truth: &Self, crowd: bool) -> f64 {
        let across = self.right().min(truth.right()) - self.left.max(truth.left);
        let down = self.bottom().min(truth.bottom()) - self.top.max(truth.top);
        if !(across > 0.0 && down > 0.0) {
            return 0.0;
        }
        let both = across * down;
        both / if crowd { self.area() } else { self.area() + truth.area() - both }
    }
}

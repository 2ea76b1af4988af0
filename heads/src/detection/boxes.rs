//! Boxes as regressors see them.

use palimpsest_targets::BoundingBox;

/// Left, top, right and bottom of a box in pixels of the image that the encoder sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxXyxy(pub [f64; 4]);

impl BoxXyxy {
    /// Of a target's box.
    pub fn of(bounds: &BoundingBox) -> Self {
        Self([bounds.left, bounds.top, bounds.right(), bounds.bottom()])
    }

    /// As a target's box.
    pub fn bounds(&self) -> BoundingBox {
        let [left, top, right, bottom] = self.0;
        BoundingBox::from_edges(left, top, right, bottom)
    }

    /// The width.
    pub fn width(&self) -> f64 {
        self.0[2] - self.0[0]
    }

    /// The height.
    pub fn height(&self) -> f64 {
        self.0[3] - self.0[1]
    }

    /// Width times height.
    pub fn area(&self) -> f64 {
        self.width() * self.height()
    }

    /// The centre, x and y.
    pub fn centre(&self) -> [f64; 2] {
        [self.0[0] + 0.5 * self.width(), self.0[1] + 0.5 * self.height()]
    }

    /// The part within an image of `height` x `width`.
    #[must_use]
    pub fn clipped(&self, [height, width]: [usize; 2]) -> Self {
        let [left, top, right, bottom] = self.0;
        let (w, h) = (width as f64, height as f64);
        Self([left.clamp(0.0, w), top.clamp(0.0, h), right.clamp(0.0, w), bottom.clamp(0.0, h)])
    }

    /// Intersection over union; 0 where both are empty.
    pub fn iou(&self, other: &Self) -> f64 {
        self.bounds().iou(&other.bounds(), false)
    }
}

//! Boxes told as differences from reference boxes (Girshick et al., R-CNN, appendix C).

use super::BoxXyxy;

/// Centre shifts in units of the reference's size and logarithms of size ratios, times weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxCoder {
    /// Factors on x, y, width and height.
    pub weights: [f64; 4],
}

impl BoxCoder {
    /// Of region proposals.
    pub const PROPOSALS: Self = Self { weights: [1.0; 4] };
    /// Of the box head.
    pub const BOXES: Self = Self { weights: [10.0, 10.0, 5.0, 5.0] };
    /// A decoded box is at most 1000 / 16 times as large as its reference: what keeps the exponential finite.
    const LARGEST: f64 = 1000.0 / 16.0;

    /// What turns `reference` into `truth`.
    pub fn encode(&self, truth: &BoxXyxy, reference: &BoxXyxy) -> [f64; 4] {
        let ([x, y], [from_x, from_y]) = (truth.centre(), reference.centre());
        let (width, height) = (reference.width(), reference.height());
        let [wx, wy, ww, wh] = self.weights;
        [
            wx * (x - from_x) / width,
            wy * (y - from_y) / height,
            ww * (truth.width() / width).ln(),
            wh * (truth.height() / height).ln(),
        ]
    }

    /// `reference` with these differences.
    pub fn decode(&self, code: [f64; 4], reference: &BoxXyxy) -> BoxXyxy {
        let [dx, dy, dw, dh] = std::array::from_fn(|i| code[i] / self.weights[i]);
        let [x, y] = reference.centre();
        let (x, y) = (x + dx * reference.width(), y + dy * reference.height());
        let limit = Self::LARGEST.ln();
        let (width, height) =
            (dw.min(limit).exp() * reference.width(), dh.min(limit).exp() * reference.height());
        BoxXyxy([x - 0.5 * width, y - 0.5 * height, x + 0.5 * width, y + 0.5 * height])
    }
}

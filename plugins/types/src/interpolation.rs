//! Ways to resize.

/// How an image is sampled where it is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest = 0,
    /// Bilinear, pixel centres at half integers (PyTorch's `align_corners=False`).
    Bilinear = 1,
}

//! Feature maps of several resolutions from a plain vision transformer, which has one.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

mod multi_block;
mod rescale;
mod simple;

pub use multi_block::{MultiBlockPyramid, MultiBlockPyramidSettings};
pub use rescale::{Rescale, RescaleSettings};
pub use simple::{SimplePyramid, SimplePyramidSettings};

use palimpsest_core::Tensor;

/// A level of a pyramid.
#[derive(Debug, Clone)]
pub struct FeatureMap {
    /// [B, C, H, W]
    pub values: Tensor,
    /// Pixels of the image for one of the map.
    pub stride: f64,
}

//! Layers on feature maps [B, C, H, W].
//!
//! A function that returns a `Result` and says no more fails as the backend does.

mod conv;
mod conv_block;
mod conv_transpose;
mod norm;
mod pool;

pub use conv::{Conv2d, ConvExtents};
pub use conv_block::{ConvBlock, ConvBlockSettings, NormKind};
pub use conv_transpose::ConvTranspose2d;
pub use norm::{GroupNorm, LayerNorm2d, Norm2d};
pub use pool::{adaptive_average_pool, max_pool};

use palimpsest_core::params::Init;

/// He's normal initialisation for what ReLU follows (He et al. 2015), with the fan-out of a k x k
/// kernel, cut at two deviations.
pub fn he_normal(output: usize, kernel: usize) -> Init {
    Init::TruncatedNormal((2.0 / (output * kernel * kernel) as f64).sqrt() as f32)
}

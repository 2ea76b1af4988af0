//! Transforms that keep targets right: an image is framed together with its label map or objects.
//!
//! What is drawn is a [`Framing`]; it is then applied to the image, the label map and the objects.
//! Draws come from [`stream`], keyed by (seed, step, sample), and from nothing else.

mod framed_image;
mod framed_objects;
mod framing;
mod large_scale_jitter;
mod scaled_crop;

pub use framed_image::planes;
pub use framing::Framing;
pub use large_scale_jitter::LargeScaleJitter;
pub use scaled_crop::ScaledCrop;

use palimpsest_core::random::{Philox, Stream};

/// The stream that a sample's framing is drawn from.
pub fn stream(seed: u64, step: u64, sample: u64) -> Philox {
    Philox::new(seed, Stream::Augment, step, sample)
}

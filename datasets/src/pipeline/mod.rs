//! From samples to batches: decoding, transforms of images with their targets, and the loaders.

pub mod assemble;
pub mod augment;
pub(crate) mod broken;
pub mod decode;
pub mod erasing;
pub mod eval_loader;
pub mod image_header;
pub mod joint;
pub mod loader;
pub mod mixing;
pub mod orientation;
mod png;
pub(crate) mod prefetch;
pub mod rand_augment;
pub mod source;
mod stored_samples;
pub mod transform;
mod webp;

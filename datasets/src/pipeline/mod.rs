//! From samples to batches: decoding, transforms of images with their targets, and the loaders.

mod alpha;
pub mod assemble;
pub mod augment;
pub(crate) mod broken;
pub mod cache;
pub mod decode;
pub mod erasing;
pub mod eval_loader;
pub mod image_header;
pub mod joint;
pub mod loader;
pub mod mixing;
mod npy;
pub mod orientation;
pub(crate) mod planes;
mod png;
pub(crate) mod prefetch;
pub mod rand_augment;
pub(crate) mod sample_type;
pub mod scaling;
pub mod source;
mod stored_samples;
mod tiff;
mod tiff_directory;
pub mod transform;
mod webp;

//! Downstream heads. A head registers itself where it stands; this crate only has to be linked.

pub mod activation;
pub mod analysis;
pub mod classification;
pub mod convolution;
pub mod detection;
pub mod metrics;
pub mod pyramid;
pub mod regression;
pub mod segmentation;
mod shown_image;
mod table;

/// Keeps the linker from dropping a crate of which only the registrations are used.
pub fn link() {}

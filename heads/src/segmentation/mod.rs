//! Semantic segmentation: a class for each pixel.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

mod decoder;
mod linear;
mod loss;
mod metric;
mod segment;
mod sliding;
mod uper_net;

pub use decoder::{DecoderKind, DecoderSettings, SegmentationDecoder};
pub use linear::LinearDecoder;
pub use loss::segmentation_loss;
pub use metric::SegmentationMetric;
pub use segment::{Segment, SegmentSettings};
pub use sliding::SlidingWindow;
pub use uper_net::{PyramidPooling, UperNet, UperNetSettings};

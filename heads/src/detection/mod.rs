//! Object detection: boxes and masks of objects with their classes.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

pub mod anchors;
pub mod base;
pub mod box_coder;
pub mod boxes;
pub mod fcos;
pub mod found;
pub mod head;
pub mod loss;
pub mod mask_rcnn;
pub mod matcher;
mod metric;
pub mod nms;
pub mod sampler;

pub use boxes::Edges;
pub use found::{Found, FoundObject, Reporting};
pub use metric::DetectionMetric;

palimpsest_core::inventory::submit! {
    palimpsest_core::finetune::FormerHead { name: "detect", key: "detector", heads: &["fcos", "mask-rcnn"] }
}

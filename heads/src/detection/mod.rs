//! Object detection: boxes and masks of objects with their classes.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

pub mod anchors;
pub mod base;
pub mod box_coder;
pub mod boxes;
pub mod fcos;
pub mod head;
pub mod loss;
pub mod mask_rcnn;
pub mod matcher;
mod metric;
pub mod nms;
pub mod post_process;
pub mod sampler;

pub use boxes::BoxXyxy;
pub use metric::DetectionMetric;
pub use post_process::{Detection, FoundObject, PostProcess};

palimpsest_core::inventory::submit! {
    palimpsest_core::finetune::FormerHead { name: "detect", key: "detector", heads: &["fcos", "mask-rcnn"] }
}

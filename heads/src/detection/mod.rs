//! Object detection: boxes and masks of objects with their classes.

pub mod anchors;
pub mod box_coder;
pub mod boxes;
mod detect;
pub mod fcos;
pub mod found;
pub mod loss;
pub mod mask_rcnn;
pub mod matcher;
mod metric;
pub mod nms;
pub mod sampler;

pub use boxes::Edges;
pub use detect::{Detect, DetectPrediction, DetectSettings, DetectorKind};
pub use found::{Found, Reporting};
pub use metric::DetectionMetric;

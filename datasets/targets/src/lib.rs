//! What is true of a picture beyond its class: which class each pixel has, where objects are.
//!
//! Readers (`datasets`) make these types, heads and metrics (`heads`) use them; neither depends on
//! the other.

pub mod bounding_box;
pub mod label_map;
pub mod object;
pub mod overlap;
pub mod polygon;
pub mod rle;
pub mod rle_text;
pub mod sample;

pub use bounding_box::BoundingBox;
pub use label_map::{IGNORE, LabelMap};
pub use object::Object;
pub use rle::Rle;
pub use sample::{DetectionData, SegmentationData};

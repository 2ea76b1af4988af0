//! The annotation of an image beyond its class: which class each pixel has, where objects are.
//!
//! Readers (`datasets`) make these types, heads and metrics (`heads`) use them; neither depends on
//! the other. What both draw is here too: overlays and sheets of images.

pub mod bounding_box;
pub mod colour;
pub mod contact_sheet;
mod glyphs;
pub mod label_map;
pub mod object;
pub mod objects;
pub mod overlap;
pub mod overlay;
pub mod polygon;
pub mod rle;
pub mod rle_text;
pub mod sample;
pub mod target_sheet;

pub use bounding_box::BoundingBox;
pub use label_map::{IGNORE, LabelMap};
pub use object::Object;
pub use objects::Objects;
pub use rle::Rle;
pub use sample::{DetectionData, LabelSetData, SegmentationData, ValueData};

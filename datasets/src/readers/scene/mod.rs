//! Composed scenes: items of the embedded Fashion-MNIST sample on textured backgrounds, with exact
//! masks and boxes, so that segmentation and detection run where there are no data.
//!
//! A scene is a pure function of (settings, seed, split, index). Test scenes are composed of test items
//! alone: the parts are made before composing.

mod background;
mod compose;
mod cut_out;
mod dataset;
mod settings;

pub use compose::{Scene, compose};
pub use dataset::{SceneDetection, SceneReader, SceneSegmentation, Scenes};
pub use settings::SceneSettings;

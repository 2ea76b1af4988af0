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
pub use dataset::{SceneDetection, SceneSegmentation, Scenes};
pub use settings::SceneSettings;

use std::sync::Arc;

use crate::reader::{DatasetInfo, OpenedDetection, OpenedSegmentation, Reader};

pub(crate) static READERS: [Reader; 1] = [Reader::detection(
    DatasetInfo {
        name: "scenes",
        summary: "scenes composed of the embedded sample: 2,000 + 500, 96x96 RGB, 10 classes; segmentation, detection",
        layout: "nothing: they are composed by the program",
    },
    |spec, split| {
        let dataset = Arc::new(SceneDetection(Scenes::open(spec.scenes, split)?));
        Ok(OpenedDetection { dataset, notes: Vec::new() })
    },
)
.with_segmentation(|spec, split| {
    let dataset = Arc::new(SceneSegmentation::new(Scenes::open(spec.scenes, split)?));
    Ok(OpenedSegmentation { dataset, notes: Vec::new() })
})];

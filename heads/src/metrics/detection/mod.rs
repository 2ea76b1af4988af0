//! Average precision and recall of detection as COCO defines them (Lin et al., "Microsoft COCO";
//! the reference is pycocotools' `COCOeval`).
//!
//! Fill a [`CocoEvaluator`] image by image and ask for its [`CocoScores`].

mod accumulate;
mod evaluator;
mod matching;
mod scores;
mod settings;

pub use evaluator::{CocoEvaluator, Detection, IouKind};
pub use scores::{ClassPrecision, CocoScores};
pub use settings::{Area, iou_thresholds};

//! Data sets: readers, decoding, transforms, the parallel loader and an embedded sample.
//!
//! A reader implements [`palimpsest_core::data::Dataset`]; [`open()`] finds one by its name in a
//! recipe. [`Loader`] turns a data set into training batches: which pictures a step holds and how
//! they are augmented are functions of the seed and the step alone, whatever the number of workers.

pub mod assemble;
pub mod augment;
mod chosen;
pub mod cifar;
pub mod csv_list;
pub mod decode;
pub mod detection;
pub mod embedded;
pub mod eval_loader;
pub mod examples;
pub mod few_shot;
pub mod fine_grained;
pub mod folder;
pub mod idx;
pub mod joint;
mod json;
pub mod label_png;
pub mod loader;
pub mod mat5;
pub mod open;
pub mod orientation;
pub mod picture_list;
mod pictures;
mod prefetch;
pub mod reader;
pub mod sampler;
pub mod scene;
pub mod segmentation;
pub mod spec;
pub mod split;
mod text_lines;
pub mod transform;
mod unpacked;

pub use augment::{Augment, Border, Crop, Filter};
pub use decode::DecodeOptions;
pub use eval_loader::{EvalConfig, EvalLoader};
pub use loader::{Feed, Loader, LoaderConfig};
pub use open::{list, open, open_detection, open_segmentation, open_with_notes};
pub use palimpsest_targets::contact_sheet::{ContactSheet, Picture};
pub use palimpsest_targets::{colour, contact_sheet, overlay, target_sheet};
pub use reader::{DatasetInfo, Opened, OpenedDetection, OpenedSegmentation};
pub use scene::SceneSettings;
pub use spec::DataSpec;
pub use split::Split;
pub use transform::{Scratch, Transform};

/// Keeps the linker from dropping what registers itself here.
pub fn link() {}

/// Channel means of ImageNet, RGB in 0..1.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel standard deviations of ImageNet, RGB in 0..1.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

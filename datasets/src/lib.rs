//! Data sets: readers, decoding, transforms, the parallel loader and an embedded sample.
//!
//! A [`Reader`] opens files of a layout as a [`palimpsest_core::data::Dataset`], and registers itself; [`open()`]
//! finds it by its name in a recipe. [`RecipeData`] is what a recipe's `[data]` names, opened. [`Loader`] turns a data set into training batches: which images a step holds and how
//! they are augmented are functions of the seed and the step alone, whatever the number of workers.

pub mod class_agreement;
mod class_choice;
mod data_parts;
pub mod draw;
pub mod examples;
mod formats;
pub mod open;
pub mod pack;
pub mod part_names;
pub mod parts;
mod pipeline;
pub mod reader;
mod readers;
pub mod recipe_data;
pub mod spec;
pub mod split;
pub mod survey;

pub use formats::{image_format, image_list, label_png, mat5, target_table, yaml};
pub use pipeline::{
    assemble, augment, cache, decode, erasing, eval_loader, image_header, joint, loader, mixing, orientation,
    rand_augment, scaling, source, transform,
};
pub use readers::{
    cifar, csv_list, detection, embedded, fine_grained, folder, idx, parquet, scene, segmentation, stl10,
    webdataset,
};

pub use augment::{Augment, Border, Crop, Filter};
pub use decode::DecodeOptions;
pub use draw::Draw;
pub use eval_loader::EvalLoader;
pub use loader::{Loader, LoaderOptions};
pub use open::{open, open_detection, open_label_sets, open_segmentation, open_values, open_with_notes};
pub use palimpsest_targets::contact_sheet::{ContactSheet, Tile};
pub use palimpsest_targets::{colour, contact_sheet, overlay, target_sheet};
pub use reader::{Opened, Reader, ReaderEntry};
pub use recipe_data::{DataIdentity, DataSource, RecipeData};
pub use scaling::{Scale, Scaling};
pub use scene::SceneSettings;
pub use source::Images;
pub use spec::DataSpec;
pub use split::Split;
pub use transform::{Scratch, Transform};

/// Keeps the linker from dropping what registers itself here.
pub fn link() {}

/// Channel means of ImageNet, RGB in 0..1.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel standard deviations of ImageNet, RGB in 0..1.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

//! Data sets: readers, decoding, transforms, the parallel loader and an embedded sample.
//!
//! A reader implements [`palimpsest_core::data::Dataset`]; [`open()`] finds one by its name in a
//! recipe. [`Loader`] turns a data set into training batches: which pictures a step holds and how
//! they are augmented are functions of the seed and the step alone, whatever the number of workers.

pub mod assemble;
pub mod augment;
pub mod cifar;
pub mod colour;
pub mod contact_sheet;
pub mod csv_list;
pub mod decode;
pub mod embedded;
pub mod eval_loader;
pub mod folder;
pub mod idx;
pub mod loader;
pub mod open;
pub mod orientation;
mod prefetch;
pub mod split;
pub mod transform;

pub use augment::{Augment, Border, Crop, Filter};
pub use contact_sheet::{ContactSheet, Picture};
pub use decode::DecodeOptions;
pub use eval_loader::{EvalConfig, EvalLoader};
pub use loader::{Loader, LoaderConfig};
pub use open::{DataSpec, DatasetInfo, Opened, list, open, open_with_notes};
pub use split::Split;
pub use transform::{Scratch, Transform};

/// Channel means of ImageNet, RGB in 0..1.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel standard deviations of ImageNet, RGB in 0..1.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

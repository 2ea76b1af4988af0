//! Readers, one file each, which register themselves: a new file here is compiled without editing a list.

automod::dir!(pub "src/readers");

pub mod detection;
pub mod fine_grained;
pub mod parquet;
pub mod scene;
pub mod segmentation;
pub mod webdataset;

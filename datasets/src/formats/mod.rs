//! File formats and lists that several readers share.

pub(crate) mod evenly;
pub(crate) mod image_files;
pub mod image_format;
pub mod image_list;
pub(crate) mod json;
pub mod label_png;
pub mod mat5;
pub(crate) mod once;
pub(crate) mod other_layout;
pub(crate) mod shards;
pub(crate) mod shown;
pub(crate) mod tally;
pub(crate) mod target_files;
pub mod target_table;
pub(crate) mod text_lines;
pub(crate) mod turned;
pub(crate) mod unpacked;
pub mod yaml;

//! File formats and lists that several readers share.

pub mod image_list;
pub(crate) mod json;
pub mod label_png;
pub mod mat5;
pub(crate) mod text_lines;
pub(crate) mod unpacked;

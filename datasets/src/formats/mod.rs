//! File formats and lists that several readers share.

pub(crate) mod json;
pub mod label_png;
pub mod mat5;
pub mod picture_list;
pub(crate) mod text_lines;
pub(crate) mod unpacked;

//! Images in Parquet files as Hugging Face's `datasets` writes them: a column of structs of `bytes` and `path`, and
//! columns of labels, lists of labels and numbers.
//!
//! A Parquet file is made to be read by whole columns. Here any image is read by itself: the first time that a row group
//! is touched, its pages are gone through once, and where each image lies is kept (15 to 20 bytes an image). From then on an
//! image is one read, with what little must be decompressed around it:
//!
//! - pages without compression (what `datasets` writes today): the bytes of the image;
//! - Snappy (what it wrote before, often with all images of a row group in one dictionary page of 10 to 100 MB): the
//!   blocks of 64 kB that the image touches, since Snappy's compressors begin anew with each block;
//! - gzip, LZ4 and, in a program built with the feature `zstd`, Zstandard: the page, of which some are kept.
//!
//! Files are decoded by the `parquet` crate; only where Snappy's blocks begin is found here ([`snappy`]).

mod cache;
mod columns;
mod file;
mod labels;
mod layout;
mod position;
pub mod snappy;
mod targets;
mod writing;

pub use cache::PageCache;
pub use file::ImageFile;
pub use labels::{LabelKind, Labels, UNLABELLED};
pub use parquet::errors::ParquetError as WritingError;
pub use targets::LabelLists;
pub use writing::{ImageColumns, ImageRow, ImageWriter};

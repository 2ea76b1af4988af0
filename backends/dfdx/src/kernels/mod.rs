//! Arithmetic on slices in host memory: elementary functions, rows, products, pieces of work.

pub(crate) mod pieces;
pub(crate) mod product;
pub(crate) mod row;
pub(crate) mod vectorised;

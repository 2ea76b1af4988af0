//! The walk over pieces of slices in host memory, and products.

pub(crate) mod pieces;
pub(crate) mod product;

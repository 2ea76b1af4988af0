//! Classification on frozen features.

pub mod knn;
pub mod linear;
mod standardise;

//! Palimpsest: self-supervised pre-training of vision encoders by corruption and restoration.
//!
//! This crate holds what a recipe is made of. It names no tensor library, no data format and no
//! user interface: backends, data sets, heads and the driver depend on it, never the reverse.

pub mod backend;
pub mod data;
pub mod error;
pub mod random;
pub mod tensor;

pub use backend::{Backend, Device};
pub use error::{Error, ErrorKind, Result};
pub use tensor::{DType, HostTensor, Place, Shape, Tensor};

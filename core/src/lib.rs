//! Palimpsest: self-supervised pre-training of vision encoders by corruption and restoration.
//!
//! This crate holds what a recipe is made of. It names no tensor library, no data format and no
//! user interface: backends, data sets, heads and the driver depend on it, never the reverse.

pub mod backend;
pub mod corruption;
pub mod data;
pub mod draws;
pub mod encoder;
pub mod error;
pub mod finetune;
pub mod geometry;
pub mod graphs;
pub mod head;
pub mod interop;
pub mod layer;
pub mod model;
pub mod objective;
pub mod params;
pub mod plugin;
pub mod pooling;
pub mod random;
pub mod recipe;
pub mod registry;
pub mod restoration;
pub mod settings;
mod stored;
pub mod target;
pub mod tensor;
pub mod train;

pub use backend::{Backend, Device};
pub use error::{Error, ErrorKind, Result};
pub use inventory;
pub use tensor::{DType, DeviceHandle, HostTensor, Shape, Tensor};

//! The tch backend: libtorch's kernels, its automatic differentiation and its CUDA devices, through
//! the [tch](https://docs.rs/tch) crate.
//!
//! Needs libtorch 2.11.0 when it is built and when it runs; [`Libtorch::new`] refuses any other.

mod backend;
mod convert;
mod execute;
mod export;
mod failure;
mod fused;
mod graph_library;
mod graphs;
mod library;
mod memory;
mod primitive;
mod shim;
mod value;

pub use backend::Libtorch;
pub use library::{LIBTORCH_VERSION, libtorch_version};

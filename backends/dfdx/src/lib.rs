//! The dfdx backend: tensors and matrix products of [dfdx](https://docs.rs/dfdx) 0.13, below a tape
//! of this crate's own, with fused operations where the step time is spent.
//!
//! dfdx types ranks, devices and tapes. Here every tensor is one flat dfdx tensor beside a dynamic
//! shape; an operation folds its axes to the few ranks that it needs, and records its own
//! derivative.

mod backend;
mod convert;
#[cfg(feature = "cuda")]
mod cuda;
mod dense;
mod discrete;
mod elementwise;
mod engine;
mod execute;
mod export;
mod fold;
mod front;
mod fused;
mod index;
mod inputs;
mod kernels;
mod layout;
mod on_device;
mod panics;
mod product;
mod real;
mod recording;
mod reduce;
mod resample;
mod sampler;
mod session;
mod tape;
mod value;

pub use backend::Dfdx;

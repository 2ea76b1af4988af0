//! The burn backend: [burn](https://burn.dev)'s Flex engine on the processor with fused operations of this
//! crate's own where the step time is spent, its CubeCL engine on GPUs (features `cuda` and `wgpu`), and its
//! automatic differentiation on both.
//!
//! Tensors that descend from no tracked leaf stay plain tensors of the engine: nothing is recorded for
//! them, so evaluation and a moving-average teacher cost no graph.

mod argsort;
mod backend;
mod convert;
#[cfg(feature = "cube")]
mod cube;
mod discrete;
mod engine;
mod execute;
mod export;
mod flex;
mod fused;
mod kernels;
mod memory;
#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
mod missing;
mod operands;
mod operations;
mod panics;
mod primitive;
mod recording;
mod scalar;
mod total;
mod value;

pub use backend::Burn;

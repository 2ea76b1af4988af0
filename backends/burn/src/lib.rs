//! The burn backend: [burn](https://burn.dev)'s Flex engine on the processor, its automatic
//! differentiation, and fused operations of this crate's own where the step time is spent.
//!
//! Tensors that descend from no tracked leaf stay plain Flex tensors: nothing is recorded for
//! them, so evaluation and a moving-average teacher cost no graph.

mod argsort;
mod backend;
mod convert;
mod discrete;
mod execute;
mod export;
mod fused;
mod kernels;
mod memory;
mod panics;
mod primitive;
mod recording;
mod total;
mod value;

pub use backend::BurnFlex;

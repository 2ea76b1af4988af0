//! Products, and the way from tensors to the slices that the shared kernels work on.
//!
//! Work is cut into pieces of a size that does not depend on the number of threads, and partial
//! results are added in the order of the pieces; so results are the same for any number.
#![allow(
    unsafe_code,
    reason = "output buffers shared by tasks, work on another thread's stack, vector intrinsics and assembly"
)]

pub(crate) mod buffer;
mod fork_join;
pub(crate) mod gemm;
pub(crate) mod real;

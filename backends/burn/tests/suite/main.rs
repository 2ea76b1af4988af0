//! What is this backend's own; `conformance` has what every backend must do.

mod device;
mod levels;
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
mod refusals;
mod sums;

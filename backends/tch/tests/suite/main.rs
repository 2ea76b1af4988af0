//! What is this backend's own; `conformance` has what every backend must do.

mod device;
mod numbers;
mod refusals;
mod threads;

//! What is this backend's own; `conformance` has what every backend must do.

mod numbers;
mod place;
mod refusals;
mod threads;

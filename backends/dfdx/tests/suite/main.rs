//! What is this backend's own; `conformance` has what every backend must do.

mod device;
mod levels;
mod refusals;
mod sums;
mod tape;
mod upstream;

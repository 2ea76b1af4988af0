//! Test support: micro models, seeded batches, gradient checks, and files that Python reads.
//!
//! The tests themselves are in `tests/suite`, the independent references in `python`, and the
//! values that these made in `golden`.

pub mod batches;
pub mod bits;
pub mod candidates;
pub mod differences;
pub mod files;
pub mod finetuning;
pub mod libraries;
pub mod micro;
pub mod mutation;
pub mod parity;
pub mod python;
pub mod ranks;
pub mod recorder;
pub mod shapes;

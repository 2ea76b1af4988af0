//! The backend against references written here in plain Rust.

mod array;
mod autograd;
mod gradients;
mod primitives;

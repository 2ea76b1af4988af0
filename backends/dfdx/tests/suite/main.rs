//! The backend against references written here in plain Rust.

mod array;
mod autograd;
mod fused;
mod gradients;
mod lowered;
mod optimiser;
mod primitives;
mod tape;
mod upstream;

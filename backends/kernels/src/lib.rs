//! Arithmetic on slices in host memory that the backends for processors share.
//!
//! Everything here is written over [`Real`] and knows no tensor library: a backend cuts its tensors into slices,
//! hands them to threads and keeps what a gradient needs. A kernel is here where all backends compute the same
//! bits by it; where they round in another order, each has its own.
//!
//! Functions with loops are compiled for several sets of instructions by [`vectorised!`]. They are generic, so
//! that they are compiled where they are used, for its types only.

pub mod adamw;
#[cfg(target_arch = "x86_64")]
mod amx;
pub mod attention;
pub mod bfloat16;
pub mod gelu;
pub mod layer_norm;
pub mod level;
#[cfg(test)]
mod levels;
pub mod linear;
pub mod piece;
mod real;
pub mod row;
pub mod row_entropy;
pub mod silu;
pub mod softmax;
pub mod sum_squares;
mod vectorised;

pub use level::Level;
pub use real::Real;

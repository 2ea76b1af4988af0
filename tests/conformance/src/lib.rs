//! Whether a backend does what core's operations promise.
//!
//! Every operation is [called](cases) on a backend and compared with a [reference](reference) of plain loops in
//! f64; gradients are compared with central differences of that reference. No tensor library is among the
//! dependencies: the backend comes in as core's trait. `cargo xtask backend validate` tries a loaded library, and each
//! backend's own tests try theirs in process, by [`suite`].

mod adamw;
pub mod array;
pub mod autograd;
pub mod case;
pub mod cases;
pub mod forward;
pub mod gradient;
pub mod layout;
pub mod outcome;
pub mod random;
pub mod reference;
pub mod subject;
pub mod suite;
mod taken_apart;
pub mod timing;
pub mod tolerance;
pub mod training;
pub mod vit_step;

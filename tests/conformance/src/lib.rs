//! Whether a backend does what core's operations promise.
//!
//! Every operation is [called](cases) on a backend and compared with a [reference](reference) of plain loops in
//! f64; gradients are compared with central differences of that reference. No tensor library is among the
//! dependencies: the backend comes in as core's trait. `cargo xtask backend validate` tries a loaded library, and each
//! backend's own tests try theirs in process, by [`conforms`]; what not every backend promises ([`sums`], [`memory`])
//! they call by name. Whole steps are held against implementations elsewhere, which do them again from a
//! [recording](recording).

mod adamw;
pub mod again;
pub mod array;
pub mod autograd;
pub mod case;
pub mod cases;
pub mod dispatch;
pub mod forward;
pub mod gradient;
pub mod layout;
pub mod memory;
pub mod outcome;
pub mod random;
pub mod recording;
pub mod reference;
pub mod refusals;
pub mod subject;
pub mod suite;
pub mod sums;
mod taken_apart;
pub mod timing;
pub mod tolerance;
pub mod training;
pub mod vit_step;

#[doc(hidden)]
pub use palimpsest_core::DType;
#[doc(hidden)]
pub use palimpsest_core::tensor::OpKind;

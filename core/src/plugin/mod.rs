//! Both ends of the C interface to dynamic libraries: the host's, which loads them, and the served
//! one, which a Rust library exports with a macro. The structs are those of `palimpsest-abi`.

mod abort;
mod failure;
mod library;
mod loaded_backend;
mod served_backend;
mod wire;

pub use abort::report_aborts;
pub use library::Library;
pub use loaded_backend::LoadedBackend;
#[doc(hidden)]
pub use palimpsest_abi as abi;
pub use served_backend::{ServedBackend, backend_table};

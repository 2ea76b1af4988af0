//! What Palimpsest and its plug-ins both speak of: the [type](DType) of a tensor's elements, the [role](Role) of a token,
//! how an image is [resized](Interpolation), and the [generator](Philox) of all random draws.
//!
//! Both re-export it, so that nobody has to name this crate. The C structs between them are in `palimpsest-abi`.

mod dtype;
mod interpolation;
mod philox;
mod role;
pub mod stream;

pub use dtype::DType;
pub use interpolation::Interpolation;
pub use philox::Philox;
pub use role::Role;

//! Downstream heads. A head registers itself where it stands; this crate only has to be linked.

pub mod analysis;
pub mod classification;
pub mod metrics;

/// Keeps the linker from dropping a crate of which only the registrations are used.
pub fn link() {}

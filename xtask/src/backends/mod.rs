//! Backends by name or path: their libraries are found, built where this is a checkout, and loaded.

mod library;
mod libtorch;

use std::sync::Arc;

use palimpsest_core::plugin::LoadedBackend;
use palimpsest_core::{Backend, Device, Error, Place, Result};

pub(crate) use library::{KNOWN, build};
pub(crate) use libtorch::fetch as fetch_libtorch;

/// The backend of a name, or of a library's path.
pub(crate) fn open(name: &str) -> Result<Arc<dyn Backend>> {
    let backend = LoadedBackend::open(&library::find(name)?)?;
    let found = backend.info().name;
    if KNOWN.iter().any(|known| known.name == name) && found != name {
        return Err(Error::user(format!("the library of the backend {name} calls itself {found}"))
            .at("--backend")
            .mend(format!("build it again: cargo xtask backend build {name}")));
    }
    Ok(Arc::new(backend))
}

/// The library of a backend's name, built where this is a checkout.
pub(crate) fn library(name: &str) -> Result<std::path::PathBuf> {
    library::find(name)
}

/// A device of a backend.
pub(crate) fn place(name: &str, device: Device) -> Result<Place> {
    let backend = open(name)?;
    let devices = backend.devices();
    if devices.contains(&device) {
        return Ok(Place { backend, device });
    }
    let list: Vec<String> = devices.iter().map(ToString::to_string).collect();
    Err(Error::user(format!("the backend {name} has no device {device} on this machine"))
        .at("--device")
        .mend(format!("choose among {}", list.join(", "))))
}

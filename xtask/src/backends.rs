//! Backends by name.

use std::sync::Arc;

use palimpsest_burn::BurnFlex;
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Backend, Device, Error, Place, Result};

/// The names of the backends that are built in.
pub(crate) const NAMES: [&str; 1] = ["burn"];

/// The backend called `name`.
pub(crate) fn open(name: &str) -> Result<Arc<dyn Backend>> {
    match name {
        "burn" => Ok(Arc::new(BurnFlex::new())),
        _ => Err(unknown_name("backend", name, NAMES).at("--backend")),
    }
}

/// A device of the backend called `name`.
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

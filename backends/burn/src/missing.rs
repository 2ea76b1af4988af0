//! Devices of a kind that this crate was built without.

use palimpsest_core::{Device, Error};

/// Why a device is missing. Who loaded the library knows what to do about it.
pub(crate) fn without(device: Device) -> Error {
    let what = if matches!(device, Device::Cuda(_)) { "CUDA" } else { "wgpu" };
    Error::user(format!("the burn backend has no device {device}: it was built without {what}"))
}

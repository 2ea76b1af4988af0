//! CUDA: without a driver, on a driver of these tests' own, and on a GPU where there is one.
//!
//! The driver in `driver.c` shows what happens around kernels: that they are found and launched, that
//! tensors live and die on their thread, and what becomes of failures. Whether kernels compute what they
//! should only a GPU tells.

mod mock;
mod real;

use std::sync::Arc;

use palimpsest_core::backend::Device;
use palimpsest_core::{Backend, DeviceHandle};
use palimpsest_dfdx::Dfdx;

/// The GPU, if there is one.
fn gpu() -> Option<DeviceHandle> {
    let backend = Dfdx::new();
    let there = backend.devices().contains(&Device::Cuda(0));
    there.then(|| DeviceHandle { backend: Arc::new(backend), id: Device::Cuda(0) })
}

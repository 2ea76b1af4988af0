//! The backend under test.

use std::sync::Arc;

use palimpsest_core::backend::Device;
use palimpsest_core::{DeviceHandle, Tensor};
use palimpsest_dfdx::Dfdx;

/// Where the tests' tensors live.
pub(crate) fn device() -> DeviceHandle {
    DeviceHandle { backend: Arc::new(Dfdx::new()), id: Device::Cpu }
}

/// A tensor's elements.
pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.download().unwrap().into_f64()
}

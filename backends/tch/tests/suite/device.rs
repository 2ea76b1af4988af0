//! The backend under test.

use std::sync::Arc;

use palimpsest_core::backend::Device;
use palimpsest_core::{DeviceHandle, Tensor};
use palimpsest_tch::Libtorch;

/// Where the tests' tensors live: `PALIMPSEST_TEST_DEVICE`, or the processor.
pub(crate) fn device() -> DeviceHandle {
    let device = std::env::var("PALIMPSEST_TEST_DEVICE").map_or(Device::Cpu, |name| name.parse().unwrap());
    DeviceHandle { backend: Arc::new(Libtorch::new().unwrap()), id: device }
}

/// A tensor's elements.
pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.download().unwrap().into_f64()
}

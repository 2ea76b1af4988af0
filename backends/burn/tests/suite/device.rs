//! The backend under test.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::DeviceHandle;
use palimpsest_core::backend::Device;

/// Where the tests' tensors live.
pub(crate) fn device() -> DeviceHandle {
    DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu }
}

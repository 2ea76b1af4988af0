//! The backend under test.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::Place;
use palimpsest_core::backend::Device;

/// Where the tests' tensors live.
pub(crate) fn place() -> Place {
    Place { backend: Arc::new(Burn::new()), device: Device::Cpu }
}

//! The backend under test.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::backend::Device;
use palimpsest_core::{Place, Tensor};

/// Where the tests' tensors live.
pub(crate) fn place() -> Place {
    Place { backend: Arc::new(Burn::new()), device: Device::Cpu }
}

/// A tensor's elements.
pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.download().unwrap().into_f64()
}

//! What this crate asks of a dfdx device.

use dfdx::tensor::{Cpu, Synchronize};
use dfdx::tensor_ops::Device;
use palimpsest_core::backend;

use crate::real::Real;

/// A device that has dfdx's operations on elements of type `E`.
pub(crate) trait Engine<E: Real>: Device<E> + Hardware {}

impl<E: Real, H: Hardware + Device<E>> Engine<E> for H {}

/// A device with both float types.
pub(crate) trait Hardware: Device<f32> + Device<f64> + Synchronize + Send + Sync {
    /// Whether its memory is the host's: then kernels of this crate work on slices, and a copy to
    /// the host costs no more than one on the device.
    const HOST: bool;

    /// Its name and number in recipes.
    fn place(&self) -> backend::Device;

    /// A device like it whose random generator starts from `seed`.
    fn seeded(&self, seed: u64) -> Self;
}

impl Hardware for Cpu {
    const HOST: bool = true;

    fn place(&self) -> backend::Device {
        backend::Device::Cpu
    }

    fn seeded(&self, seed: u64) -> Self {
        Self::seed_from_u64(seed)
    }
}

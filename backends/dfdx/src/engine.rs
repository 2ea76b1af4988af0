//! What this crate asks of a dfdx device.

use dfdx::tensor::{Cpu, Synchronize};
use dfdx::tensor_ops::Device;

use crate::dense::Flat;
use crate::real::Real;

/// A device that has dfdx's operations on elements of type `E`.
pub(crate) trait Engine<E: Real>: Device<E> + Hardware {}

impl<E: Real, H: Hardware + Device<E>> Engine<E> for H {}

/// A device whose tensors the kernels of this crate may take to many threads.
pub(crate) trait HostEngine<E: Real>: Engine<E> + Send + Sync {}

impl<E: Real, H: Engine<E> + Send + Sync> HostEngine<E> for H {}

/// A device with both float types.
pub(crate) trait Hardware: Device<f32> + Device<f64> + Synchronize {
    /// Whether its memory is the host's: then kernels of this crate work on slices, and a copy to
    /// the host costs no more than one on the device.
    const HOST: bool;

    /// How a tensor is held where any thread may come by. A clone shares the elements.
    type Stored<E: Real>: Clone + Send + Sync + 'static
    where
        Self: Device<E>;

    /// Holds a tensor.
    fn store<E: Real>(flat: Flat<E, Self>) -> Self::Stored<E>
    where
        Self: Device<E>;

    /// The tensor; it shares the elements.
    fn view<E: Real>(stored: &Self::Stored<E>) -> Flat<E, Self>
    where
        Self: Device<E>;

    /// The tensor; the elements are its own where nobody else holds them.
    fn take<E: Real>(stored: Self::Stored<E>) -> Flat<E, Self>
    where
        Self: Device<E>;
}

impl Hardware for Cpu {
    const HOST: bool = true;

    type Stored<E: Real>
        = Flat<E, Self>
    where
        Self: Device<E>;

    fn store<E: Real>(flat: Flat<E, Self>) -> Self::Stored<E>
    where
        Self: Device<E>,
    {
        flat
    }

    fn view<E: Real>(stored: &Self::Stored<E>) -> Flat<E, Self>
    where
        Self: Device<E>,
    {
        stored.clone()
    }

    fn take<E: Real>(stored: Self::Stored<E>) -> Flat<E, Self>
    where
        Self: Device<E>,
    {
        stored
    }
}

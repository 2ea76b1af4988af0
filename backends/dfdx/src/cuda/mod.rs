//! dfdx on one GPU.
//!
//! dfdx's `Cuda` may not leave its thread, so one thread owns the device and all its tensors
//! ([`thread`]); what other threads hold are numbers ([`room`]). NVIDIA's libraries are loaded when
//! they are first called ([`library`]), so that this library also loads where there are none.

mod blas;
mod compiler;
mod driver;
mod forward;
mod library;
mod memory;
mod message;
mod room;
mod status;
mod thread;

use dfdx::tensor::Cuda;
use dfdx::tensor_ops::Device;
use palimpsest_core::tensor::Op;
use palimpsest_core::{Error, Result, backend};

use crate::dense::Flat;
use crate::engine::Hardware;
use crate::fused::Fused;
use crate::inputs::Inputs;
use crate::real::Real;
use crate::sampler::Sampler;
use crate::seat::{Seat, Seated};
use crate::value::Var;
use room::Kept;

/// dfdx's `Cuda` is built for one device of a process.
const DEVICE: backend::Device = backend::Device::Cuda(0);

/// The GPU.
///
/// # Errors
/// Its driver is missing or sees none.
pub(crate) fn seat(sampler: &Sampler) -> Result<Box<dyn Seated>> {
    driver::look()?;
    let workplace = thread::Gpu::new(sampler.clone());
    Ok(Box::new(Seat::<Cuda, _>::new(DEVICE, workplace, sampler.clone())))
}

impl Hardware for Cuda {
    const HOST: bool = false;

    type Kept<E: Real>
        = Kept<E>
    where
        Self: Device<E>;

    fn keep<E: Real>(flat: Flat<E, Self>) -> Self::Kept<E>
    where
        Self: Device<E>,
    {
        room::keep(flat)
    }

    fn lend<E: Real>(kept: &Self::Kept<E>) -> Flat<E, Self>
    where
        Self: Device<E>,
    {
        room::lend(kept)
    }

    fn give<E: Real>(kept: Self::Kept<E>) -> Flat<E, Self>
    where
        Self: Device<E>,
    {
        room::give(kept)
    }
}

impl Fused for Cuda {
    fn fused<E: Real>(op: &Op, _inputs: Inputs<Self>) -> Result<Vec<Var<E, Self>>>
    where
        Self: Device<E>,
    {
        Err(Error::failure(format!("{}: dfdx has no such kernel for CUDA", op.kind().name())))
    }
}

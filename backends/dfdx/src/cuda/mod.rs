//! dfdx on one GPU.
//!
//! dfdx's `Cuda` may not leave its thread, so one thread owns the device and all its tensors
//! ([`thread`]); what other threads hold are numbers ([`arena`]). NVIDIA's libraries are loaded when
//! they are first called ([`library`]), so that this library also loads where there are none.

mod arena;
mod blas;
mod compiler;
mod driver;
mod forward;
mod library;
mod memory;
mod message;
mod status;
mod thread;

use dfdx::tensor::Cuda;
use dfdx::tensor_ops::Device;
use palimpsest_core::tensor::Op;
use palimpsest_core::{Error, Result, backend};

use crate::dense::Flat;
use crate::engine::Hardware;
use crate::front::{DeviceFront, Front};
use crate::fused::Fused;
use crate::inputs::Inputs;
use crate::real::Real;
use crate::sampler::Sampler;
use crate::value::Var;
use arena::Stored;

/// dfdx's `Cuda` is built for one device of a process.
const DEVICE: backend::Device = backend::Device::Cuda(0);

/// The GPU.
///
/// # Errors
/// Its driver is missing or sees none.
pub(crate) fn front(sampler: &Sampler) -> Result<Box<dyn Front>> {
    driver::look()?;
    let executor = thread::Gpu::new(sampler.clone());
    Ok(Box::new(DeviceFront::<Cuda, _>::new(DEVICE, executor, sampler.clone())))
}

impl Hardware for Cuda {
    const HOST: bool = false;

    type Stored<E: Real>
        = Stored<E>
    where
        Self: Device<E>;

    fn store<E: Real>(flat: Flat<E, Self>) -> Self::Stored<E>
    where
        Self: Device<E>,
    {
        arena::store(flat)
    }

    fn view<E: Real>(stored: &Self::Stored<E>) -> Flat<E, Self>
    where
        Self: Device<E>,
    {
        arena::view(stored)
    }

    fn take<E: Real>(stored: Self::Stored<E>) -> Flat<E, Self>
    where
        Self: Device<E>,
    {
        arena::take(stored)
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

//! What a handle of this backend holds, and libtorch's names for shapes, types and devices.

use palimpsest_core::backend::{Device, Handle};
use palimpsest_core::{DType, Error, Shape};
use tch::{Kind, Tensor};

use crate::failure::Result;
use crate::shim::Shared;

/// What a handle of this backend holds.
pub(crate) type Value = Shared;

impl Value {
    pub(crate) fn handle(tensor: Tensor) -> Handle {
        Handle::new(Self::new(tensor))
    }

    /// The tensor behind a handle.
    pub(crate) fn of(handle: &Handle) -> Result<&Tensor> {
        Ok(handle.get::<Self>().ok_or_else(foreign)?.tensor())
    }

    /// The tensor behind a handle: the only reference where no other handle shares it.
    pub(crate) fn take(handle: Handle) -> Result<Tensor> {
        match handle.into_sole::<Self>() {
            Ok(value) => Ok(value.into_inner()),
            Err(shared) => Ok(Self::of(&shared)?.shallow_clone()),
        }
    }
}

fn foreign() -> Error {
    Error::failure("a tensor of another backend was given to tch")
}

/// libtorch's name for a type.
pub(crate) fn torch_kind(dtype: DType) -> Kind {
    match dtype {
        DType::F32 => Kind::Float,
        DType::F64 => Kind::Double,
        DType::Bf16 => Kind::BFloat16,
        DType::I64 => Kind::Int64,
        DType::Bool => Kind::Bool,
        DType::U8 => Kind::Uint8,
    }
}

/// Core's name for a tensor's type.
pub(crate) fn core_type(tensor: &Tensor) -> Result<DType> {
    match tensor.f_kind()? {
        Kind::Float => Ok(DType::F32),
        Kind::Double => Ok(DType::F64),
        Kind::BFloat16 => Ok(DType::Bf16),
        Kind::Int64 => Ok(DType::I64),
        Kind::Bool => Ok(DType::Bool),
        Kind::Uint8 => Ok(DType::U8),
        other => Err(Error::failure(format!("libtorch made a tensor of type {other:?}")).into()),
    }
}

/// libtorch's name for a device.
pub(crate) fn torch_device(device: Device) -> Option<tch::Device> {
    match device {
        Device::Cpu => Some(tch::Device::Cpu),
        Device::Cuda(index) => Some(tch::Device::Cuda(index)),
        Device::Wgpu(_) => None,
    }
}

/// Extents as libtorch counts them.
pub(crate) fn torch_shape(extents: &[usize]) -> Vec<i64> {
    extents.iter().map(|&extent| extent as i64).collect()
}

/// The extents of a tensor.
pub(crate) fn extents(tensor: &Tensor) -> Shape {
    tensor.size().into_iter().map(|extent| extent as usize).collect()
}

//! What a handle of this backend holds, and libtorch's names for shapes, types and devices.

use std::sync::{Mutex, PoisonError};

use palimpsest_core::backend::{Device, Handle};
use palimpsest_core::{DType, Error};
use tch::{Kind, Tensor};

use crate::failure::Result;

/// A tensor that threads can share.
///
/// tch's `Tensor` may be sent to another thread but not shared between threads, as some of its
/// methods change a tensor through `&self`. So each use takes a reference of its own (a shallow
/// clone, which libtorch counts atomically) under the lock, and works on that. Two threads can then
/// hold references to one tensor, which is safe as long as both only read: libtorch's operations
/// that are not in place change nothing of their inputs that is not atomic or locked. This crate
/// writes in place only to a tensor that it owns and whose memory nothing else refers to
/// ([`crate::shim::is_sole`]), so never to one that another thread could be reading.
#[derive(Debug)]
pub(crate) struct Value(Mutex<Tensor>);

impl Value {
    pub(crate) fn handle(tensor: Tensor) -> Handle {
        Handle::new(Self(Mutex::new(tensor)))
    }

    /// A reference to the tensor behind a handle.
    pub(crate) fn of(handle: &Handle) -> Result<Tensor> {
        let value = handle.get::<Self>().ok_or_else(foreign)?;
        Ok(value.0.lock().unwrap_or_else(PoisonError::into_inner).shallow_clone())
    }

    /// The tensor behind a handle: the only reference where no other handle shares it.
    pub(crate) fn take(handle: Handle) -> Result<Tensor> {
        match handle.into_sole::<Self>() {
            Ok(value) => Ok(value.0.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(shared) => Self::of(&shared),
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
pub(crate) fn extents(tensor: &Tensor) -> Vec<usize> {
    tensor.size().into_iter().map(|extent| extent as usize).collect()
}

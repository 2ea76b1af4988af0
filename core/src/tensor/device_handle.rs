//! A device as core makes tensors on it.

use std::sync::Arc;

use super::{DType, HostData, HostSlice, HostTensor, Op, Shape, Tensor};
use crate::backend::{Backend, Device};
use crate::{Error, Result};

/// A backend and one of its devices: where new tensors are made.
#[derive(Clone)]
pub struct DeviceHandle {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// The device.
    pub id: Device,
}

impl DeviceHandle {
    /// The processor's instructions that the last bits of numbers of a type hang on here; `None` on a GPU, or where the
    /// backend can't tell.
    pub fn instructions_for(&self, dtype: DType) -> Option<String> {
        let info = self.backend.info();
        info.instructions_for(dtype).filter(|_| self.id == Device::Cpu).map(str::to_owned)
    }

    /// Copies host data there.
    ///
    /// # Errors
    /// No memory, or a type that the backend lacks.
    pub fn upload(&self, data: HostTensor) -> Result<Tensor> {
        let (shape, dtype) = (data.shape().clone(), data.dtype());
        let handle = self.backend.upload(data, self.id)?;
        Ok(Tensor { backend: self.backend.clone(), handle, shape, dtype, device: self.id })
    }

    /// Copies host data there that someone else keeps.
    ///
    /// # Errors
    /// As [`DeviceHandle::upload`], or the shape doesn't fit.
    pub fn upload_from(&self, shape: &Shape, from: HostSlice<'_>) -> Result<Tensor> {
        if from.len() != shape.count() {
            return Err(Error::failure(format!("{} elements do not fill shape {shape}", from.len())));
        }
        let handle = self.backend.upload_from(shape, from, self.id)?;
        Ok(Tensor {
            backend: self.backend.clone(),
            handle,
            shape: shape.clone(),
            dtype: from.dtype(),
            device: self.id,
        })
    }

    /// Copies floats there, in the given float type.
    ///
    /// # Errors
    /// As [`DeviceHandle::upload`], or the shape doesn't fit.
    pub fn floats(&self, shape: impl Into<Shape>, data: Vec<f32>, dtype: DType) -> Result<Tensor> {
        self.upload(HostTensor::f32(shape, data)?.to_float(dtype)?)
    }

    /// Copies f64 values there, in the given float type: for values that are computed on the host and
    /// must not lose digits where a model runs in f64.
    ///
    /// # Errors
    /// As [`DeviceHandle::upload`], or the shape doesn't fit.
    pub fn f64s(&self, shape: impl Into<Shape>, data: Vec<f64>, dtype: DType) -> Result<Tensor> {
        self.upload(HostTensor::new(shape, HostData::F64(data))?.to_float(dtype)?)
    }

    /// Copies indices there.
    ///
    /// # Errors
    /// As [`DeviceHandle::upload`], or the shape doesn't fit.
    pub fn indices(&self, shape: impl Into<Shape>, data: Vec<i64>) -> Result<Tensor> {
        self.upload(HostTensor::i64(shape, data)?)
    }

    /// Copies booleans there.
    ///
    /// # Errors
    /// As [`DeviceHandle::upload`], or the shape doesn't fit.
    pub fn bools(&self, shape: impl Into<Shape>, data: Vec<bool>) -> Result<Tensor> {
        self.upload(HostTensor::new(shape, HostData::Bool(data))?)
    }

    /// A tensor of one value.
    ///
    /// # Errors
    /// No memory.
    pub fn full(&self, shape: impl Into<Shape>, value: f64, dtype: DType) -> Result<Tensor> {
        Tensor::create(self, &Op::Full { shape: shape.into(), value, dtype })
    }

    /// Standard normal values from the backend's own generator.
    ///
    /// # Errors
    /// No memory.
    pub fn random_normal(&self, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        Tensor::create(self, &Op::RandomNormal { shape: shape.into(), dtype })
    }
}

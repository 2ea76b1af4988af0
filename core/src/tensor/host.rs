//! A tensor's elements in host memory: what is uploaded, downloaded and saved.

use half::bf16;

use super::{DType, Shape};
use crate::{Error, Result};

/// Elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum HostData {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// bfloat16.
    Bf16(Vec<bf16>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
    /// Bytes of images.
    U8(Vec<u8>),
}

/// Elements in row-major order that are lent to be copied: of the types that travel between processes.
#[derive(Debug, Clone, Copy)]
pub enum HostSlice<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit floats.
    F64(&'a [f64]),
}

impl HostSlice<'_> {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
        }
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy.
    pub fn to_data(&self) -> HostData {
        match self {
            Self::F32(v) => HostData::F32(v.to_vec()),
            Self::F64(v) => HostData::F64(v.to_vec()),
        }
    }
}

/// Room for elements in row-major order.
#[derive(Debug)]
pub enum HostSliceMut<'a> {
    /// 32-bit floats.
    F32(&'a mut [f32]),
    /// 64-bit floats.
    F64(&'a mut [f64]),
}

impl HostSliceMut<'_> {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
        }
    }

    /// How many elements fit.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether none fit.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills it with a tensor's elements.
    ///
    /// # Errors
    /// Another type, or another number of them.
    pub fn copy_from(&mut self, tensor: &HostTensor) -> Result<()> {
        match (&mut *self, tensor.data()) {
            (Self::F32(to), HostData::F32(from)) if to.len() == from.len() => to.copy_from_slice(from),
            (Self::F64(to), HostData::F64(from)) if to.len() == from.len() => to.copy_from_slice(from),
            _ => {
                return Err(Error::failure(format!(
                    "{}{} does not fit room for {} of {}",
                    tensor.dtype(),
                    tensor.shape(),
                    self.len(),
                    self.dtype()
                )));
            }
        }
        Ok(())
    }
}

/// A dense tensor in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    shape: Shape,
    data: HostData,
}

impl HostTensor {
    /// A tensor of these elements.
    ///
    /// # Errors
    /// `shape` has another number of elements.
    pub fn new(shape: impl Into<Shape>, data: HostData) -> Result<Self> {
        let shape = shape.into();
        let tensor = Self { shape, data };
        if tensor.shape.count() == tensor.len() {
            Ok(tensor)
        } else {
            Err(Error::failure(format!("{} elements do not fill shape {}", tensor.len(), tensor.shape)))
        }
    }

    /// A tensor of 32-bit floats.
    ///
    /// # Errors
    /// `shape` has another number of elements.
    pub fn f32(shape: impl Into<Shape>, data: Vec<f32>) -> Result<Self> {
        Self::new(shape, HostData::F32(data))
    }

    /// A tensor of 64-bit integers.
    ///
    /// # Errors
    /// `shape` has another number of elements.
    pub fn i64(shape: impl Into<Shape>, data: Vec<i64>) -> Result<Self> {
        Self::new(shape, HostData::I64(data))
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &HostData {
        &self.data
    }

    /// Whether every element is a finite number.
    pub fn is_finite(&self) -> bool {
        match &self.data {
            HostData::F32(v) => v.iter().all(|x| x.is_finite()),
            HostData::F64(v) => v.iter().all(|x| x.is_finite()),
            HostData::Bf16(v) => v.iter().all(|x| x.is_finite()),
            HostData::I64(_) | HostData::Bool(_) | HostData::U8(_) => true,
        }
    }

    /// The elements, by value.
    pub fn into_data(self) -> HostData {
        self.data
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            HostData::F32(_) => DType::F32,
            HostData::F64(_) => DType::F64,
            HostData::Bf16(_) => DType::Bf16,
            HostData::I64(_) => DType::I64,
            HostData::Bool(_) => DType::Bool,
            HostData::U8(_) => DType::U8,
        }
    }

    fn len(&self) -> usize {
        match &self.data {
            HostData::F32(v) => v.len(),
            HostData::F64(v) => v.len(),
            HostData::Bf16(v) => v.len(),
            HostData::I64(v) => v.len(),
            HostData::Bool(v) => v.len(),
            HostData::U8(v) => v.len(),
        }
    }

    /// The elements as 32-bit floats, rounded where they are wider.
    pub fn into_f32(self) -> Vec<f32> {
        match self.data {
            HostData::F32(v) => v,
            HostData::F64(v) => v.into_iter().map(|x| x as f32).collect(),
            HostData::Bf16(v) => v.into_iter().map(f32::from).collect(),
            HostData::I64(v) => v.into_iter().map(|x| x as f32).collect(),
            HostData::Bool(v) => v.into_iter().map(|x| f32::from(u8::from(x))).collect(),
            HostData::U8(v) => v.into_iter().map(f32::from).collect(),
        }
    }

    /// The elements as 64-bit floats.
    pub fn into_f64(self) -> Vec<f64> {
        match self.data {
            HostData::F64(v) => v,
            HostData::F32(v) => v.into_iter().map(f64::from).collect(),
            HostData::Bf16(v) => v.into_iter().map(f64::from).collect(),
            HostData::I64(v) => v.into_iter().map(|x| x as f64).collect(),
            HostData::Bool(v) => v.into_iter().map(|x| f64::from(u8::from(x))).collect(),
            HostData::U8(v) => v.into_iter().map(f64::from).collect(),
        }
    }

    /// The elements as 64-bit integers, truncated where they are floats.
    pub fn into_i64(self) -> Vec<i64> {
        match self.data {
            HostData::I64(v) => v,
            _ => self.into_f64().into_iter().map(|x| x as i64).collect(),
        }
    }

    /// The same elements in another float type.
    ///
    /// # Errors
    /// `dtype` is no float type.
    pub fn to_float(self, dtype: DType) -> Result<Self> {
        if self.dtype() == dtype {
            return Ok(self);
        }
        let shape = self.shape.clone();
        let data = match dtype {
            DType::F32 => HostData::F32(self.into_f32()),
            DType::F64 => HostData::F64(self.into_f64()),
            DType::Bf16 => HostData::Bf16(self.into_f32().into_iter().map(bf16::from_f32).collect()),
            DType::I64 | DType::Bool | DType::U8 => {
                return Err(Error::failure(format!("{dtype} is not a float type")));
            }
        };
        Self::new(shape, data)
    }
}

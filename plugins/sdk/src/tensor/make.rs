//! Operations that make tensors of nothing.

use palimpsest_abi::op;

use super::{Attributes, Call, DType, Element, Tensor};
use crate::{Error, Result};

/// The host's operations that make new tensors, on the device of the run. Comes from
/// [`Application::ops`](crate::Application::ops) or [`Tensor::ops`].
#[derive(Debug, Clone, Copy)]
pub struct Ops<'call> {
    pub(super) call: &'call Call,
}

/// An operation that says no more of its errors fails with what the host answers.
impl<'call> Ops<'call> {
    pub(crate) fn new(call: &'call Call) -> Self {
        Self { call }
    }

    /// One value everywhere.
    pub fn full(self, shape: &[usize], value: f64, dtype: DType) -> Result<Tensor<'call>> {
        self.run(op::FULL, &[], &Attributes::new().list(shape).real(value).dtype(dtype))
    }

    /// Zeros.
    pub fn zeros(self, shape: &[usize], dtype: DType) -> Result<Tensor<'call>> {
        self.full(shape, 0.0, dtype)
    }

    /// Ones.
    pub fn ones(self, shape: &[usize], dtype: DType) -> Result<Tensor<'call>> {
        self.full(shape, 1.0, dtype)
    }

    /// Copies elements, row by row, to the device.
    ///
    /// # Errors
    /// Elements that don't fill the shape, or what the host answers.
    ///
    /// ```
    /// # use palimpsest_sdk::prelude::*;
    /// # fn f<'call>(application: &Application<'call>) -> Result<Tensor<'call>> {
    /// let weights = application.ops().from_slice(&[0.25_f32, 0.5, 0.25], &[3, 1])?;
    /// # Ok(weights) }
    /// ```
    pub fn from_slice<E: Element>(self, values: &[E], shape: &[usize]) -> Result<Tensor<'call>> {
        if values.len() != shape.iter().product::<usize>() {
            return Err(Error::failure(format!("{} elements for the shape {shape:?}", values.len())));
        }
        self.upload(E::DTYPE, shape, values.as_ptr().cast(), size_of_val(values))
    }

    /// Standard normal values: a function of seed, step and, where the first extent is the batch, each image's
    /// number.
    pub fn random_normal(self, shape: &[usize], dtype: DType) -> Result<Tensor<'call>> {
        self.run(op::RANDOM_NORMAL, &[], &Attributes::new().list(shape).dtype(dtype))
    }

    /// Uniform values in [0, 1), drawn as in [`random_normal`](Self::random_normal).
    pub fn random_uniform(self, shape: &[usize], dtype: DType) -> Result<Tensor<'call>> {
        self.run(op::RANDOM_UNIFORM, &[], &Attributes::new().list(shape).dtype(dtype))
    }

    /// Tensors one after another along an axis.
    ///
    /// # Errors
    /// Shapes that differ off the axis.
    pub fn concat(self, tensors: &[Tensor<'call>], axis: usize) -> Result<Tensor<'call>> {
        self.run(op::CONCAT, tensors, &Attributes::new().count(axis))
    }
}

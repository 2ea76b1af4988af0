//! The numbers of a step of AdamW that change from step to step.

use super::{DType, DeviceHandle, Tensor};
use crate::Result;

/// What [`Op::Adamw`](super::Op::Adamw) reads from its tensor of rates, in the order of the elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamwRates {
    /// The learning rate.
    pub lr: f64,
    /// The number of the step, from 1.
    pub step: f64,
    /// Factor on the gradient (clipping).
    pub scale: f64,
    /// Whether everything stays as it is.
    pub skip: bool,
    /// The weight of the new parameter in its average.
    pub average: f64,
}

impl AdamwRates {
    /// How many numbers there are.
    pub const COUNT: usize = 5;

    /// A step with this learning rate that takes gradients as they are, counted from 1.
    pub fn new(lr: f64, step: u64) -> Self {
        Self { lr, step: step as f64, scale: 1.0, skip: false, average: 0.0 }
    }

    /// The type of the rates of parameters of a type.
    pub fn dtype(parameter: DType) -> DType {
        if parameter == DType::F64 { DType::F64 } else { DType::F32 }
    }

    /// The rates whose elements these are.
    pub fn of([lr, step, scale, skip, average]: [f64; Self::COUNT]) -> Self {
        Self { lr, step, scale, skip: skip != 0.0, average }
    }

    /// The elements.
    pub fn elements(&self) -> [f64; Self::COUNT] {
        [self.lr, self.step, self.scale, f64::from(u8::from(self.skip)), self.average]
    }

    /// Copies them to where parameters of a type lie.
    ///
    /// # Errors
    /// No memory.
    pub fn upload(&self, device: &DeviceHandle, parameter: DType) -> Result<Tensor> {
        device.f64s([Self::COUNT], self.elements().to_vec(), Self::dtype(parameter))
    }
}

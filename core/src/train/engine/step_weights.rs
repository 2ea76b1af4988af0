//! What a pass may look at beside the weights that it is given.

use std::cell::Cell;
use std::time::Instant;

use super::super::state::{State, Trained};
use crate::params::Params;
use crate::tensor::{DType, DeviceHandle};
use crate::{Error, Result};

/// What a step starts from, for passes that look at more than the weights that they are given.
pub struct StepWeights<'a> {
    /// Where the step is computed.
    pub device: &'a DeviceHandle,
    state: &'a State,
    compute: DType,
    /// Seconds in which a teacher was run.
    teacher: Cell<f64>,
}

impl<'a> StepWeights<'a> {
    pub(super) fn new(device: &'a DeviceHandle, state: &'a State, compute: DType) -> Self {
        Self { device, state, compute, teacher: Cell::new(0.0) }
    }

    /// The moving average of the weights before the step.
    ///
    /// # Errors
    /// An engine that keeps none, or a part of it only.
    pub fn average(&self) -> Result<Params> {
        let mut tensors = self.state.params.clone();
        for Trained { index, kept, .. } in &self.state.trained {
            let average = kept.as_ref().and_then(|kept| kept.average.as_ref());
            let average =
                average.ok_or_else(|| Error::failure("a teacher without an average of the weights"))?;
            tensors[*index] = average.clone();
        }
        Ok(Params::new(tensors, self.compute))
    }

    /// Does what a teacher is run for, and counts its time as the teacher's.
    ///
    /// # Errors
    /// What it returns.
    pub fn taught<T>(&self, teach: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let taught = teach();
        self.teacher.set(self.teacher.get() + started.elapsed().as_secs_f64());
        taught
    }

    pub(super) fn teacher_seconds(&self) -> f64 {
        self.teacher.get()
    }
}

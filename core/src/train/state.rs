//! What a step changes: weights, moments, averages.

use std::sync::Arc;

use crate::Result;
use crate::backend::Backend;
use crate::tensor::{Op, Tensor};

/// What a step changes.
#[derive(Clone)]
pub(super) struct State {
    /// Every parameter, in the order of declaration.
    pub(super) params: Vec<Tensor>,
    /// Of those that are trained. Frozen ones have no moments and no average.
    pub(super) trained: Vec<Trained>,
}

/// A parameter that is trained.
#[derive(Clone)]
pub(super) struct Trained {
    /// Its place among the parameters.
    pub(super) index: usize,
    pub(super) decay: f64,
    pub(super) factor: f64,
    /// Whether this process steps it; one alone steps all.
    pub(super) own: bool,
    /// What is kept of it from step to step; made before the first step, and on the process that steps it alone.
    pub(super) kept: Option<Kept>,
}

/// What is kept of a parameter from step to step.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) first: Tensor,
    pub(super) second: Tensor,
    pub(super) average: Option<Tensor>,
}

impl Kept {
    /// Before the first step: moments are zero, and an average is the parameter.
    pub(super) fn of(value: &Tensor, averaged: bool) -> Result<Self> {
        let device = value.device();
        let zeros = || device.full(value.shape().clone(), 0.0, value.dtype());
        // A deep copy: an average shares no memory with what is trained.
        let average = averaged.then(|| device.upload(value.download()?)).transpose()?;
        Ok(Self { first: zeros()?, second: zeros()?, average })
    }

    /// Moves the average of a parameter that has no gradient in this step, but may have had one before.
    pub(super) fn follow(&mut self, value: &Tensor, weight: f64, finite: &Tensor) -> Result<()> {
        let Some(average) = &mut self.average else { return Ok(()) };
        let moved = Tensor::apply(&Op::Lerp { weight }, &[average.clone(), value.clone()])?.remove(0);
        let finite = finite.reshape(vec![1; average.rank()])?;
        *average = finite.where_(&moved, average)?;
        Ok(())
    }
}

impl State {
    /// Makes what is kept of the parameters that this process steps, where it is not there yet.
    pub(super) fn begin(&mut self, averaged: bool) -> Result<()> {
        for trained in self.trained.iter_mut().filter(|trained| trained.own && trained.kept.is_none()) {
            trained.kept = Some(Kept::of(&self.params[trained.index], averaged)?);
        }
        Ok(())
    }

    /// The same tensors with another backend to call.
    pub(super) fn with_backend(&self, backend: &Arc<dyn Backend>) -> Self {
        let to = |tensor: &Tensor| tensor.with_backend(backend);
        let kept = |kept: &Kept| Kept {
            first: to(&kept.first),
            second: to(&kept.second),
            average: kept.average.as_ref().map(to),
        };
        let trained =
            |trained: &Trained| Trained { kept: trained.kept.as_ref().map(kept), ..trained.clone() };
        Self {
            params: self.params.iter().map(to).collect(),
            trained: self.trained.iter().map(trained).collect(),
        }
    }
}

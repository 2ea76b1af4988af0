//! A backend that looks at the result of every operation for the first value that is not finite.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use palimpsest_core::backend::{Handle, Wrapper};
use palimpsest_core::tensor::{HostTensor, Op};
use palimpsest_core::{Backend, Device, Result};
use serde::Serialize;

/// Passes every call on; slow, as each result is copied to the host.
pub(crate) struct FiniteCheck {
    inner: Arc<dyn Backend>,
    operations: AtomicU64,
    first: Mutex<Option<Culprit>>,
}

/// The first operation with a result that is not finite.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Culprit {
    /// `backward` for a gradient.
    pub(crate) operation: String,
    /// Its number among the operations of the step, from 1.
    pub(crate) number: u64,
    /// The result's shape.
    pub(crate) shape: Vec<usize>,
    /// How many of its values are not finite.
    pub(crate) not_finite: usize,
    /// The shape and the largest magnitude of each input, as text.
    pub(crate) inputs: Vec<String>,
}

impl FiniteCheck {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Self {
        Self { inner, operations: AtomicU64::new(0), first: Mutex::new(None) }
    }

    /// What was found.
    pub(crate) fn culprit(&self) -> Option<Culprit> {
        self.first.lock().ok()?.clone()
    }

    fn values(&self, tensor: &Handle) -> Option<HostTensor> {
        self.inner.download(tensor).ok().filter(|host| host.dtype().is_float())
    }

    /// Notes `outputs` if one of them is the first that is not finite.
    fn look(&self, operation: &str, inputs: &[Option<HostTensor>], outputs: &[&Handle]) {
        let Ok(mut first) = self.first.lock() else { return };
        if first.is_some() {
            return;
        }
        for output in outputs.iter().filter_map(|handle| self.values(handle)) {
            let shape = output.shape().to_vec();
            let not_finite = output.into_f64().iter().filter(|v| !v.is_finite()).count();
            if not_finite > 0 {
                *first = Some(Culprit {
                    operation: operation.to_owned(),
                    number: self.operations.load(Ordering::Relaxed),
                    shape,
                    not_finite,
                    inputs: inputs.iter().flatten().map(describe).collect(),
                });
                return;
            }
        }
    }
}

fn describe(tensor: &HostTensor) -> String {
    let shape = tensor.shape().to_vec();
    let largest = tensor
        .clone()
        .into_f64()
        .into_iter()
        .fold(0.0, |m: f64, v| if v.is_nan() { v } else { m.max(v.abs()) });
    format!("{shape:?} up to {largest:.3e}")
}

impl Wrapper for FiniteCheck {
    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        // Before the call: it may write over an input.
        let before: Vec<_> = inputs.iter().map(|input| self.values(input)).collect();
        let outputs = self.inner.execute(op, inputs, device)?;
        self.look(op.kind().name(), &before, &outputs.iter().collect::<Vec<_>>());
        Ok(outputs)
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let values = [self.values(&loss)];
        let gradients = self.inner.backward(loss, leaves)?;
        self.look("backward", &values, &gradients.iter().flatten().collect::<Vec<_>>());
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_core::DeviceHandle;
    use palimpsest_core::train::Trainer;
    use palimpsest_tests::recorder::Recorder;
    use palimpsest_tests::{batches, micro};

    #[test]
    fn a_watched_step_goes_as_the_run_s_does_and_its_first_bad_value_is_found() {
        let inner = micro::device();
        let recorder = Arc::new(Recorder::new(inner.backend));
        let checked = Arc::new(FiniteCheck::new(recorder.clone()));
        let device = DeviceHandle { backend: checked.clone(), id: inner.id };
        let recipe = micro::preset("paper", &["train.graph=on"]);
        let mut trainer = Trainer::new(recipe, device, 5).expect("a trainer");
        let mut steps = batches::series(5, 4, micro::SHAPE, 11);
        for batch in &steps[..4] {
            trainer.train_step(batch, false).expect("a step");
        }
        assert_eq!(trainer.take_notices(), Vec::<String>::new());
        assert_eq!(recorder.replays(), 2);
        assert!(checked.culprit().is_none());
        // A step with a look at attention has not been captured yet, so that every call is made.
        steps[4].pixels.normalised_mut().fill(f32::NAN);
        trainer.train_step(&steps[4], true).expect("a step");
        assert!(checked.culprit().is_some_and(|culprit| culprit.not_finite > 0));
    }
}

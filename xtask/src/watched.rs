//! A backend that looks at the result of every operation for the first value that is not finite.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use palimpsest_core::backend::{BackendInfo, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Device, Result};
use serde::Serialize;

/// Passes every call on; slow, as each result is copied to the host.
pub(crate) struct Watched {
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

impl Watched {
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

impl Backend for Watched {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    fn devices(&self) -> Vec<Device> {
        self.inner.devices()
    }

    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool {
        self.inner.supports(op, dtype, device)
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        self.inner.upload(data, device)
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        self.inner.signature(tensor)
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        self.inner.download(tensor)
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        // Before the call: it may write over an input.
        let before: Vec<_> = inputs.iter().map(|input| self.values(input)).collect();
        let outputs = self.inner.execute(op, inputs, device)?;
        self.look(op.kind().name(), &before, &outputs.iter().collect::<Vec<_>>());
        Ok(outputs)
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        self.inner.track(tensor)
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        self.inner.detach(tensor)
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let values = [self.values(&loss)];
        let gradients = self.inner.backward(loss, leaves)?;
        self.look("backward", &values, &gradients.iter().flatten().collect::<Vec<_>>());
        Ok(gradients)
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        self.inner.set_grad_enabled(enabled)
    }

    fn seed(&self, seed: u64) {
        self.inner.seed(seed);
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        self.inner.synchronize(device)
    }

    fn memory(&self, device: Device) -> MemoryStats {
        self.inner.memory(device)
    }
}

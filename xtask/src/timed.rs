//! A backend that keeps the time spent inside it, so that what the framework itself costs can be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use palimpsest_core::backend::{BackendInfo, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Device, Result};

/// Passes every call on, and adds up calls and nanoseconds. On a device that works asynchronously the
/// time is that of handing work over, and of waiting for it in `download` and `synchronize`.
pub(crate) struct Timed {
    inner: Arc<dyn Backend>,
    nanoseconds: AtomicU64,
    operations: AtomicU64,
}

/// What was spent since the last look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Inside the backend.
    pub(crate) seconds: f64,
    /// Calls of `execute`.
    pub(crate) operations: u64,
}

impl Timed {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Self {
        Self { inner, nanoseconds: AtomicU64::new(0), operations: AtomicU64::new(0) }
    }

    /// Reads the counters and sets them to zero.
    pub(crate) fn take(&self) -> Spent {
        Spent {
            seconds: self.nanoseconds.swap(0, Ordering::Relaxed) as f64 * 1e-9,
            operations: self.operations.swap(0, Ordering::Relaxed),
        }
    }

    fn time<T>(&self, call: impl FnOnce(&dyn Backend) -> T) -> T {
        let started = Instant::now();
        let out = call(&*self.inner);
        self.nanoseconds.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        out
    }
}

impl Backend for Timed {
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
        self.time(|b| b.upload(data, device))
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        self.inner.signature(tensor)
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        self.time(|b| b.download(tensor))
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.time(|b| b.execute(op, inputs, device))
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        self.time(|b| b.track(tensor))
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        self.time(|b| b.detach(tensor))
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        self.time(|b| b.backward(loss, leaves))
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        self.inner.set_grad_enabled(enabled)
    }

    fn seed(&self, seed: u64) {
        self.inner.seed(seed);
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        self.time(|b| b.synchronize(device))
    }

    fn memory(&self, device: Device) -> MemoryStats {
        self.inner.memory(device)
    }
}

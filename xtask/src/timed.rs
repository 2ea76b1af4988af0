//! A backend that keeps the time spent inside it, so that what the framework itself costs can be told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use palimpsest_core::backend::{Handle, Wrapper};
use palimpsest_core::graphs::Graphs;
use palimpsest_core::tensor::{HostTensor, Op};
use palimpsest_core::{Backend, Device, DeviceHandle, Error, Result};

/// Passes every call on, and adds up calls and nanoseconds. On a device that works asynchronously the
/// time is that of handing work over, and of waiting for it in `download` and `synchronize`.
pub(crate) struct Timed {
    inner: DeviceHandle,
    nanoseconds: AtomicU64,
    operations: AtomicU64,
}

/// What was spent since the last look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Inside the backend.
    pub(crate) seconds: f64,
    /// Calls of `execute`, and launches of a graph.
    pub(crate) operations: u64,
}

impl Timed {
    pub(crate) fn new(inner: DeviceHandle) -> Self {
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
        let out = call(&*self.inner.backend);
        self.nanoseconds.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        out
    }

    fn time_graphs<T>(&self, call: impl FnOnce(&dyn Graphs) -> Result<T>) -> Result<T> {
        self.time(|backend| {
            let graphs = backend.graphs(self.inner.id);
            call(graphs.ok_or_else(|| Error::failure("the backend has no graphs"))?)
        })
    }
}

impl Wrapper for Timed {
    fn inner(&self) -> &dyn Backend {
        &*self.inner.backend
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        self.time(|b| b.upload(data, device))
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

    fn synchronize(&self, device: Device) -> Result<()> {
        self.time(|b| b.synchronize(device))
    }

    fn graphs(&self, device: Device) -> Option<&dyn Graphs> {
        self.inner.backend.graphs(device).is_some().then_some(self as &dyn Graphs)
    }
}

impl Graphs for Timed {
    fn begin(&self, device: Device, capture: bool) -> Result<()> {
        self.time_graphs(|graphs| graphs.begin(device, capture))
    }

    fn end(&self, device: Device) -> Result<Option<Handle>> {
        self.time_graphs(|graphs| graphs.end(device))
    }

    fn replay(&self, graph: &Handle) -> Result<()> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.time_graphs(|graphs| graphs.replay(graph))
    }

    fn write(&self, tensor: &Handle, data: HostTensor) -> Result<()> {
        self.time_graphs(|graphs| graphs.write(tensor, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_core::train::Trainer;
    use palimpsest_tests::recorder::Recorder;
    use palimpsest_tests::{batches, micro};
    use std::sync::Arc;

    #[test]
    fn a_timed_step_is_launched_as_a_graph_where_the_backend_has_graphs() {
        let inner = micro::device();
        let recorder = Arc::new(Recorder::new(inner.backend));
        let timed = Arc::new(Timed::new(DeviceHandle { backend: recorder.clone(), id: inner.id }));
        let device = DeviceHandle { backend: timed.clone(), id: inner.id };
        let recipe = micro::preset("paper", &["train.graph=on"]);
        let mut trainer = Trainer::new(recipe, device, 5).expect("a trainer");
        let mut operations = vec![];
        for batch in batches::series(5, 4, micro::SHAPE, 11) {
            timed.take();
            trainer.train_step(&batch, false).expect("a step");
            operations.push(timed.take().operations);
        }
        assert_eq!(trainer.take_notices(), Vec::<String>::new());
        // Two steps warm up; the third is captured and launched.
        assert_eq!(recorder.replays(), 3);
        assert!(operations[0] > 100, "{operations:?}");
        assert_eq!(operations[3..], [1, 1], "a launch is one call");
    }
}

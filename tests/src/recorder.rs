//! A backend with graphs on the processor: its tensors are slots, a graph is a list of calls between slots, and
//! to replay it is to do them again into the same slots. It shows that a step can be a graph: an upload or a
//! download while one is captured is an error, and what a replay does not do again keeps its old value.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use palimpsest_core::backend::{Handle, Wrapper};
use palimpsest_core::graphs::Graphs;
use palimpsest_core::tensor::{DType, HostTensor, Op, Shape};
use palimpsest_core::{Backend, Device, Error, Result};

/// Another backend, with graphs.
pub struct Recorder {
    inner: Arc<dyn Backend>,
    capture: Mutex<Option<Capture>>,
    /// Between `begin` and `end`.
    begun: AtomicBool,
    replays: AtomicUsize,
    refuses: AtomicBool,
}

#[derive(Default)]
struct Capture {
    calls: Vec<Call>,
    /// What the calls wrote over: nothing is done by a capture.
    undo: Vec<(Slot, Handle)>,
}

#[derive(Clone)]
struct Slot(Arc<Mutex<Handle>>);

impl Slot {
    fn of(handle: &Handle) -> Result<Self> {
        handle.get::<Self>().cloned().ok_or_else(|| Error::failure("a tensor of another backend"))
    }

    fn get(&self) -> Handle {
        self.0.lock().unwrap().clone()
    }

    fn set(&self, value: Handle) -> Handle {
        std::mem::replace(&mut self.0.lock().unwrap(), value)
    }
}

fn slot(value: Handle) -> (Slot, Handle) {
    let slot = Slot(Arc::new(Mutex::new(value)));
    (slot.clone(), Handle::new(slot))
}

enum Call {
    Execute(Op, Vec<Slot>, Vec<Slot>, Device),
    Track(Slot, Slot),
    Detach(Slot, Slot),
    Backward(Slot, Vec<Slot>, Vec<Option<Slot>>),
    Recording(bool),
}

struct Graph(Vec<Call>);

impl Recorder {
    /// Graphs of another backend's calls.
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        let (begun, refuses) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { inner, capture: Mutex::new(None), begun, replays: AtomicUsize::new(0), refuses }
    }

    /// How often a graph was launched.
    pub fn replays(&self) -> usize {
        self.replays.load(Ordering::Relaxed)
    }

    /// From now on no graph can be captured.
    pub fn refuse(&self) {
        self.refuses.store(true, Ordering::Relaxed);
    }

    fn capture(&self) -> MutexGuard<'_, Option<Capture>> {
        self.capture.lock().unwrap()
    }

    fn note(&self, call: Call) {
        if let Some(capture) = &mut *self.capture() {
            capture.calls.push(call);
        }
    }

    fn idle(&self, what: &str) -> Result<()> {
        match *self.capture() {
            Some(_) => Err(Error::failure(format!("{what} while a graph is captured"))),
            None => Ok(()),
        }
    }

    fn write_slot(&self, slot: &Slot, value: Handle) {
        let old = slot.set(value);
        if let Some(capture) = &mut *self.capture() {
            capture.undo.push((slot.clone(), old));
        }
    }

    fn again(&self, call: &Call) -> Result<()> {
        let get = |slots: &[Slot]| slots.iter().map(Slot::get).collect::<Vec<_>>();
        match call {
            Call::Execute(op, inputs, outputs, device) => {
                for (slot, made) in outputs.iter().zip(self.inner.execute(op, get(inputs), *device)?) {
                    slot.set(made);
                }
            }
            Call::Track(from, to) => drop(to.set(self.inner.track(&from.get())?)),
            Call::Detach(from, to) => drop(to.set(self.inner.detach(&from.get())?)),
            Call::Backward(loss, leaves, outputs) => {
                let leaves = get(leaves);
                let found = self.inner.backward(loss.get(), &leaves.iter().collect::<Vec<_>>())?;
                for (slot, found) in outputs.iter().zip(found) {
                    assert_eq!(slot.is_some(), found.is_some(), "a gradient came or went");
                    if let (Some(slot), Some(found)) = (slot, found) {
                        slot.set(found);
                    }
                }
            }
            Call::Recording(enabled) => {
                self.inner.set_grad_enabled(*enabled);
            }
        }
        Ok(())
    }
}

impl Wrapper for Recorder {
    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        self.idle("an upload")?;
        Ok(slot(self.inner.upload(data, device)?).1)
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        self.inner.signature(&Slot::of(tensor)?.get())
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        self.idle("a download")?;
        self.inner.download(&Slot::of(tensor)?.get())
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        let inputs = inputs.iter().map(Slot::of).collect::<Result<Vec<_>>>()?;
        let made = self.inner.execute(op, inputs.iter().map(Slot::get).collect(), device)?;
        let (slots, handles) = if matches!(op, Op::Adamw { .. }) && self.begun.load(Ordering::Relaxed) {
            // The parameter, its moments and its average change where they lie.
            let slots: Vec<Slot> = [0, 2, 3, 5].iter().filter_map(|&i| inputs.get(i)).cloned().collect();
            slots.iter().zip(made).for_each(|(slot, made)| self.write_slot(slot, made));
            let handles = slots.iter().cloned().map(Handle::new).collect();
            (slots, handles)
        } else {
            made.into_iter().map(slot).unzip()
        };
        self.note(Call::Execute(op.clone(), inputs, slots, device));
        Ok(handles)
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        let from = Slot::of(tensor)?;
        let (to, handle) = slot(self.inner.track(&from.get())?);
        self.note(Call::Track(from, to));
        Ok(handle)
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        let from = Slot::of(tensor)?;
        let (to, handle) = slot(self.inner.detach(&from.get())?);
        self.note(Call::Detach(from, to));
        Ok(handle)
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let loss = Slot::of(&loss)?;
        let slots = leaves.iter().map(|leaf| Slot::of(leaf)).collect::<Result<Vec<_>>>()?;
        let inner: Vec<Handle> = slots.iter().map(Slot::get).collect();
        let found = self.inner.backward(loss.get(), &inner.iter().collect::<Vec<_>>())?;
        let (outputs, handles) = found
            .into_iter()
            .map(|found| found.map(slot).map_or((None, None), |(slot, handle)| (Some(slot), Some(handle))))
            .unzip();
        self.note(Call::Backward(loss, slots, outputs));
        Ok(handles)
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        self.note(Call::Recording(enabled));
        self.inner.set_grad_enabled(enabled)
    }

    fn graphs(&self, _device: Device) -> Option<&dyn Graphs> {
        Some(self)
    }
}

impl Graphs for Recorder {
    fn begin(&self, _device: Device, capture: bool) -> Result<()> {
        self.idle("a capture")?;
        if capture && self.refuses.load(Ordering::Relaxed) {
            return Err(Error::failure("no memory for a graph"));
        }
        *self.capture() = capture.then(Capture::default);
        self.begun.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn end(&self, _device: Device) -> Result<Option<Handle>> {
        self.begun.store(false, Ordering::Relaxed);
        let Some(capture) = self.capture().take() else { return Ok(None) };
        for (slot, old) in capture.undo.into_iter().rev() {
            slot.set(old);
        }
        Ok(Some(Handle::new(Graph(capture.calls))))
    }

    fn replay(&self, graph: &Handle) -> Result<()> {
        self.idle("a replay")?;
        self.replays.fetch_add(1, Ordering::Relaxed);
        let Graph(calls) = graph.get().ok_or_else(|| Error::failure("no graph"))?;
        calls.iter().try_for_each(|call| self.again(call))
    }

    fn write(&self, tensor: &Handle, data: HostTensor) -> Result<()> {
        self.idle("a write")?;
        let slot = Slot::of(tensor)?;
        if self.inner.signature(&slot.get())? != (data.shape().clone(), data.dtype()) {
            return Err(Error::failure("other elements don't fit"));
        }
        slot.set(self.inner.upload(data, Device::Cpu)?);
        Ok(())
    }
}

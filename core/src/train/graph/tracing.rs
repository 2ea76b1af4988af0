//! A backend that watches a step: it writes down what the step asks, or holds it against what was
//! written down.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::trace::{Call, Entry, Slot, Source, Trace};
use crate::backend::{Backend, Handle, Wrapper};
use crate::graphs::Graphs;
use crate::tensor::{DType, HostTensor, Op, Shape, Tensor};
use crate::{Device, Error, Result};

/// Up to this size an upload is held against the one before; the same elements are not written twice.
const SMALL: usize = 1 << 18;

/// What is done beside watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TraceMode {
    /// Every call is done and written down.
    Record,
    /// Every call is done, if it is the one written down.
    Check,
    /// As `Check`, while the device captures: what is to be uploaded is kept until afterwards.
    Capture,
    /// No call is done; uploads are written where the graph reads them.
    Follow,
}

/// The backend of one step.
pub(super) struct TracingBackend {
    inner: Arc<dyn Backend>,
    device: Device,
    mode: TraceMode,
    number: u64,
    tape: Mutex<Tape>,
}

struct Tape {
    trace: Trace,
    addresses: HashMap<usize, usize>,
    /// Calls, results and uploads so far.
    at: usize,
    made: usize,
    slots: usize,
    pending: Vec<(usize, HostTensor)>,
    /// Whether the optimiser has begun: from there on a step can't be begun again.
    updated: bool,
    /// Why the step is not the one that was written down, or can't be written down.
    obstacle: Option<String>,
}

/// A result of the step.
struct Node {
    /// The number of its [`TracingBackend`].
    of: u64,
    number: usize,
    handle: Option<Handle>,
    signature: (Shape, DType),
}

/// What came of watching a step.
pub(super) struct TraceOutcome {
    pub(super) trace: Trace,
    /// The tensor that is read back, where there is one.
    pub(super) report: Option<Handle>,
    /// What is to be written before the graph is launched.
    pub(super) pending: Vec<(usize, HostTensor)>,
    pub(super) obstacle: Option<String>,
    pub(super) updated: bool,
}

impl TracingBackend {
    pub(super) fn new(inner: &Arc<dyn Backend>, device: Device, mode: TraceMode, trace: Trace) -> Arc<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let addresses = trace.given.iter().enumerate().map(|(i, handle)| (handle.address(), i)).collect();
        let tape = Tape {
            trace,
            addresses,
            at: 0,
            made: 0,
            slots: 0,
            pending: vec![],
            updated: false,
            obstacle: None,
        };
        Arc::new(Self {
            inner: inner.clone(),
            device,
            mode,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            tape: Mutex::new(tape),
        })
    }

    /// Ends the watch. `report` is what the step would have read back, if it came that far.
    pub(super) fn finish(&self, report: Option<&Tensor>) -> TraceOutcome {
        let mut tape = self.tape();
        let node = report.and_then(|report| report.handle().get::<Node>());
        if let Some(node) = node {
            if self.mode == TraceMode::Record {
                tape.trace.report = Some(node.number);
            } else if tape.at != tape.trace.entries.len() || tape.trace.report != Some(node.number) {
                tape.obstacle.get_or_insert_with(|| "it ended earlier".to_owned());
            }
        }
        TraceOutcome {
            trace: std::mem::take(&mut tape.trace),
            report: node.and_then(|node| node.handle.clone()),
            pending: std::mem::take(&mut tape.pending),
            obstacle: tape.obstacle.take(),
            updated: tape.updated,
        }
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acts(&self) -> bool {
        self.mode != TraceMode::Follow
    }

    fn graphs(&self) -> Result<&dyn Graphs> {
        self.inner.graphs(self.device).ok_or_else(|| Error::failure("the backend has no graphs"))
    }

    /// Where a tensor comes from, and the inner backend's handle: by value where nobody else has it.
    fn source(&self, tape: &mut Tape, handle: Handle) -> Result<(Source, Handle)> {
        if let Some(node) = handle.get::<Node>() {
            if node.of != self.number {
                return Err(tape.stop("it keeps a tensor of an earlier step".to_owned()));
            }
            let source = Source::Made(node.number);
            let inner = match handle.into_sole::<Node>() {
                Ok(node) => node.handle,
                Err(shared) => shared.get::<Node>().and_then(|node| node.handle.clone()),
            };
            // In a step that is only followed no call reads it.
            return Ok((source, inner.unwrap_or_else(|| Handle::new(()))));
        }
        let known = tape.addresses.get(&handle.address()).copied();
        let index = match known {
            Some(index) => index,
            None if self.mode == TraceMode::Record => {
                tape.trace.given.push(handle.clone());
                tape.addresses.insert(handle.address(), tape.trace.given.len() - 1);
                tape.trace.given.len() - 1
            }
            None => return Err(tape.stop("it reads a tensor that was not there before".to_owned())),
        };
        Ok((Source::Given(index), handle))
    }

    fn sources(&self, tape: &mut Tape, handles: Vec<Handle>) -> Result<(Vec<Source>, Vec<Handle>)> {
        handles.into_iter().map(|handle| self.source(tape, handle)).collect()
    }

    /// Results of the call that was just met.
    fn nodes(
        &self,
        tape: &mut Tape,
        call: Call,
        results: Option<Vec<Option<Handle>>>,
    ) -> Result<Vec<Option<Handle>>> {
        let at = tape.at;
        tape.at += 1;
        if self.mode == TraceMode::Record {
            let signature = |result: &Option<Handle>| {
                result.as_ref().map(|handle| self.inner.signature(handle)).transpose()
            };
            let made = results.iter().flatten().map(signature).collect::<Result<_>>()?;
            tape.trace.entries.push(Entry { call, made });
        }
        let made = tape.trace.entries[at].made.clone();
        let results = results.unwrap_or_else(|| vec![None; made.len()]);
        if self.acts() {
            let found: Vec<bool> = results.iter().map(Option::is_some).collect();
            if found != made.iter().map(Option::is_some).collect::<Vec<_>>() {
                return Err(tape.stop("its gradients are of other parameters".to_owned()));
            }
        }
        let node = |(signature, handle): (Option<(Shape, DType)>, Option<Handle>)| {
            let signature = signature?;
            tape.made += 1;
            Some(Handle::new(Node { of: self.number, number: tape.made - 1, handle, signature }))
        };
        Ok(made.into_iter().zip(results).map(node).collect())
    }

    fn one(&self, tape: &mut Tape, call: Call, result: Option<Handle>) -> Result<Handle> {
        let results = self.acts().then(|| vec![result]);
        let mut nodes = self.nodes(tape, call, results)?;
        nodes.pop().flatten().ok_or_else(|| Error::failure("a call without a result"))
    }
}

impl Tape {
    /// Holds a call against the one that is due.
    fn meet(&mut self, mode: TraceMode, call: &Call) -> Result<()> {
        if mode == TraceMode::Record {
            return Ok(());
        }
        let why = match self.trace.entries.get(self.at) {
            Some(entry) if entry.call == *call => return Ok(()),
            Some(entry) => format!("call {} is {} and was {}", self.at, call.name(), entry.call.name()),
            None => format!("call {} is {}, and there was none", self.at, call.name()),
        };
        Err(self.stop(why))
    }

    fn stop(&mut self, why: String) -> Error {
        let error = Error::failure(format!("the step is not the one before: {why}"));
        self.obstacle.get_or_insert(why);
        error
    }
}

impl Wrapper for TracingBackend {
    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    fn upload(&self, data: HostTensor, device: Device) -> Result<Handle> {
        let mut tape = self.tape();
        let call = Call::Upload(data.shape().clone(), data.dtype());
        tape.meet(self.mode, &call)?;
        let at = tape.slots;
        tape.slots += 1;
        match self.mode {
            TraceMode::Record => {
                let last = small(&data).then(|| data.clone());
                let handle = self.inner.upload(data, device)?;
                tape.trace.slots.push(Slot { handle, last });
            }
            TraceMode::Capture => tape.pending.push((at, data)),
            TraceMode::Check | TraceMode::Follow => tape.trace.slots[at].fill(self.graphs()?, data)?,
        }
        let handle = tape.trace.slots[at].handle.clone();
        self.one(&mut tape, call, Some(handle))
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        match tensor.get::<Node>() {
            Some(node) => Ok(node.signature.clone()),
            None => self.inner.signature(tensor),
        }
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        let mut tape = self.tape();
        let error = tape.stop("it reads a value back in its middle".to_owned());
        // The step that is written down is done all the same.
        match (self.mode, tensor.get::<Node>()) {
            (TraceMode::Record | TraceMode::Check, Some(Node { handle: Some(handle), .. })) => {
                self.inner.download(handle)
            }
            (TraceMode::Record | TraceMode::Check, None) => self.inner.download(tensor),
            _ => Err(error),
        }
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>> {
        let mut tape = self.tape();
        if matches!(op, Op::RandomNormal { .. } | Op::RandomUniform { .. }) {
            let error = tape.stop("it draws random values on the device".to_owned());
            if self.mode != TraceMode::Record {
                return Err(error);
            }
        }
        let (sources, inputs) = self.sources(&mut tape, inputs)?;
        let call = Call::Execute(op.clone(), sources);
        tape.meet(self.mode, &call)?;
        if matches!(op, Op::Adamw { .. }) && self.acts() {
            // Nothing has changed yet while a graph is captured.
            tape.updated |= self.mode != TraceMode::Capture;
        }
        let results = match self.acts() {
            true => Some(self.inner.execute(op, inputs, device)?.into_iter().map(Some).collect()),
            false => None,
        };
        Ok(self.nodes(&mut tape, call, results)?.into_iter().flatten().collect())
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        let mut tape = self.tape();
        let (source, inner) = self.source(&mut tape, tensor.clone())?;
        let call = Call::Track(source);
        tape.meet(self.mode, &call)?;
        let result = self.acts().then(|| self.inner.track(&inner)).transpose()?;
        self.one(&mut tape, call, result)
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        let mut tape = self.tape();
        let (source, inner) = self.source(&mut tape, tensor.clone())?;
        let call = Call::Detach(source);
        tape.meet(self.mode, &call)?;
        let result = self.acts().then(|| self.inner.detach(&inner)).transpose()?;
        self.one(&mut tape, call, result)
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let mut tape = self.tape();
        let (loss, inner_loss) = self.source(&mut tape, loss)?;
        let (sources, inner) = self.sources(&mut tape, leaves.iter().map(|&leaf| leaf.clone()).collect())?;
        let call = Call::Backward(loss, sources);
        tape.meet(self.mode, &call)?;
        let results = match self.acts() {
            true => Some(self.inner.backward(inner_loss, &inner.iter().collect::<Vec<_>>())?),
            false => None,
        };
        self.nodes(&mut tape, call, results)
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        let mut tape = self.tape();
        let call = Call::Recording(enabled);
        // A step that is not the one before is told at its next call.
        if tape.meet(self.mode, &call).is_ok() && tape.obstacle.is_none() {
            let results = self.acts().then(Vec::new);
            let _ = self.nodes(&mut tape, call, results);
        }
        self.inner.set_grad_enabled(enabled)
    }

    fn graphs(&self, _device: Device) -> Option<&dyn Graphs> {
        Some(self)
    }
}

impl Graphs for TracingBackend {
    fn begin(&self, _device: Device, _capture: bool) -> Result<()> {
        Err(nested())
    }

    fn end(&self, _device: Device) -> Result<Option<Handle>> {
        Err(nested())
    }

    fn replay(&self, _graph: &Handle) -> Result<()> {
        Err(nested())
    }

    fn write(&self, _tensor: &Handle, _data: HostTensor) -> Result<()> {
        Err(nested())
    }
}

impl Slot {
    /// Writes the elements of a step.
    pub(super) fn fill(&mut self, graphs: &dyn Graphs, data: HostTensor) -> Result<()> {
        let small = small(&data);
        if small && self.last.as_ref() == Some(&data) {
            return Ok(());
        }
        self.last = small.then(|| data.clone());
        graphs.write(&self.handle, data)
    }
}

fn small(data: &HostTensor) -> bool {
    data.shape().count() * data.dtype().size() <= SMALL
}

fn nested() -> Error {
    Error::failure("a graph inside a graph")
}

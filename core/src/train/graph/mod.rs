//! Training whose step on the device is one graph.
//!
//! A step is watched at the only door to the tensor library (see `tracing`). The first is done and written
//! down call by call, the second is done again and held against it, the third is captured. From then on the
//! host goes through the same model code without doing any of it: each call is held against the one that was
//! captured, what it uploads is written where the graph reads it, and the graph is launched. So a graph is
//! never launched for a step that is another one: where shapes vary from step to step, or random values are
//! drawn on the device, the calls differ, and the step is done call by call.

mod trace;
mod tracing;

use std::sync::Arc;
use std::time::Instant;

use trace::Trace;
use tracing::{TraceMode, TraceOutcome, TracingBackend};

use super::StepTimes;
use super::engine::Outcome;
use super::state::State;
use crate::backend::{Backend, Handle};
use crate::graphs::Graphs;
use crate::recipe::GraphMode;
use crate::tensor::{DType, DeviceHandle, OpKind};
use crate::{Device, Error, Result};

/// Steps in a row that may differ from the captured one before no more are tried.
const MISSES: u32 = 3;

/// A step on a location, which may be one that watches it.
pub(super) type Advance<'a> = dyn FnMut(&DeviceHandle, &mut State) -> Result<Outcome> + 'a;

/// What a step left, and what was read back of it.
pub(super) type StepResult = (Outcome, Vec<f64>);

/// The graphs of a run.
pub(super) struct Stepper {
    mode: GraphMode,
    /// Of steps without and with a look at attention, whose calls differ.
    stages: [Stage; 2],
    misses: u32,
    /// Whether a step that differed was told.
    told: bool,
    notices: Vec<String>,
}

enum Stage {
    Cold,
    Recorded(Trace),
    Checked(Trace),
    Captured(Captured),
    Off,
}

struct Captured {
    trace: Trace,
    graph: Handle,
    report: Handle,
}

impl Stepper {
    /// For the recipe's mode; `None` where steps go by the host's numbers, and why, if that isn't what the
    /// recipe asks for.
    pub(super) fn new(mode: GraphMode, device: &DeviceHandle) -> (Option<Self>, Option<String>) {
        // The optimiser must write where a graph reads, which core's own lowering doesn't.
        let offered = device.backend.graphs(device.id).is_some()
            && device.backend.supports(OpKind::Adamw, DType::F32, device.id);
        let wanted = match mode {
            GraphMode::Off => false,
            GraphMode::On => true,
            GraphMode::Auto => offered && matches!(device.id, Device::Cuda(_)),
        };
        if wanted && !offered {
            let (name, device) = (device.backend.info().name, device.id);
            return (None, Some(refusal(&format!("the backend {name} has none on {device}"))));
        }
        let stages = [Stage::Cold, Stage::Cold];
        (wanted.then_some(Self { mode, stages, misses: 0, told: false, notices: vec![] }), None)
    }

    /// Forgets the graphs: the state lies elsewhere now.
    pub(super) fn forget(&mut self) {
        for stage in &mut self.stages {
            if !matches!(stage, Stage::Off) {
                *stage = Stage::Cold;
            }
        }
    }

    /// What the user should know, once.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn give_up(&mut self, why: &str) {
        self.stages = [Stage::Off, Stage::Off];
        self.notices.push(refusal(why));
    }

    /// A step, of those that `observe` or those that don't.
    pub(super) fn step(
        &mut self,
        device: &DeviceHandle,
        state: &mut State,
        observe: bool,
        advance: &mut Advance<'_>,
    ) -> Result<StepResult> {
        let which = usize::from(observe);
        let mut at = Run { device, state, advance, which };
        let Some(graphs) = device.backend.graphs(device.id) else { return at.eager() };
        match std::mem::replace(&mut self.stages[which], Stage::Cold) {
            Stage::Off => {
                self.stages[which] = Stage::Off;
                at.eager()
            }
            Stage::Cold => self.warm_up(&mut at, graphs, TraceMode::Record, Trace::default()),
            Stage::Recorded(trace) => self.warm_up(&mut at, graphs, TraceMode::Check, trace),
            Stage::Checked(trace) => self.capture(&mut at, graphs, trace),
            Stage::Captured(captured) => self.follow(&mut at, graphs, captured),
        }
    }

    /// A step that is done, on the queue that graphs are captured on.
    fn warm_up(
        &mut self,
        at: &mut Run<'_>,
        graphs: &dyn Graphs,
        mode: TraceMode,
        trace: Trace,
    ) -> Result<StepResult> {
        let started = Instant::now();
        if let Err(error) = graphs.begin(at.device.id, false) {
            self.give_up(&error.to_string());
            return at.eager();
        }
        let (outcome, traced) = at.traced(mode, trace);
        let issued = started.elapsed().as_secs_f64();
        let values = match &traced.report {
            Some(report) => at.read(report),
            None => Err(Error::failure("a step without a result")),
        };
        let ended = graphs.end(at.device.id);
        let whole = started.elapsed().as_secs_f64();
        if let Some(why) = traced.obstacle {
            self.give_up(&why);
            // The step was executed; it is retried only if no weight was updated.
            if outcome.is_err() && !traced.updated {
                return at.eager();
            }
        }
        let done = (outcome?, values?);
        ended?;
        if matches!(self.stages[at.which], Stage::Off) {
            return Ok(done);
        }
        let bound = self.mode == GraphMode::On || launch_bound(issued, whole);
        if mode == TraceMode::Check && !bound {
            self.give_up(&format!(
                "launching takes {:.0} ms of a step's {:.0} ms, so a graph would gain nothing",
                1e3 * issued,
                1e3 * whole
            ));
        } else {
            let next = if mode == TraceMode::Record { Stage::Recorded } else { Stage::Checked };
            self.stages[at.which] = next(traced.trace);
        }
        Ok(done)
    }

    /// Captures a step, and launches what was captured.
    fn capture(&mut self, at: &mut Run<'_>, graphs: &dyn Graphs, trace: Trace) -> Result<StepResult> {
        let started = Instant::now();
        match at.capture(graphs, trace) {
            Ok((captured, outcome)) => self.launch(at, graphs, captured, outcome, started),
            Err(error) => {
                self.give_up(&error.to_string());
                at.eager()
            }
        }
    }

    /// Goes through a step and launches the graph, if it is the one that was captured.
    fn follow(
        &mut self,
        at: &mut Run<'_>,
        graphs: &dyn Graphs,
        mut captured: Captured,
    ) -> Result<StepResult> {
        let started = Instant::now();
        let (outcome, traced) = at.traced(TraceMode::Follow, captured.trace);
        captured.trace = traced.trace;
        match (traced.obstacle, outcome) {
            (None, Ok(outcome)) => {
                self.misses = 0;
                self.launch(at, graphs, captured, outcome, started)
            }
            (None, Err(error)) => Err(error),
            (Some(why), _) => {
                self.misses += 1;
                if !std::mem::replace(&mut self.told, true) {
                    self.notices.push(format!("a step was not launched as a graph: {why}"));
                }
                if self.misses < MISSES {
                    self.stages[at.which] = Stage::Captured(captured);
                    at.in_place(graphs)
                } else {
                    self.give_up("they differ from one to the next");
                    at.eager()
                }
            }
        }
    }

    fn launch(
        &mut self,
        at: &mut Run<'_>,
        graphs: &dyn Graphs,
        captured: Captured,
        mut outcome: Outcome,
        started: Instant,
    ) -> Result<StepResult> {
        if let Err(error) = graphs.replay(&captured.graph) {
            self.give_up(&error.to_string());
            return at.eager();
        }
        let values = at.read(&captured.report)?;
        let corruption = outcome.phases.corruption;
        let forward = started.elapsed().as_secs_f64() - corruption;
        outcome.phases = StepTimes { corruption, forward, ..StepTimes::default() };
        self.stages[at.which] = Stage::Captured(captured);
        Ok((outcome, values))
    }
}

pub(super) fn refusal(why: &str) -> String {
    format!("steps are not launched as graphs: {why}")
}

/// Whether the device has little left to do once the host has asked for everything.
fn launch_bound(issued: f64, whole: f64) -> bool {
    issued > 0.5 * whole
}

/// A step and where it is done.
struct Run<'a> {
    device: &'a DeviceHandle,
    state: &'a mut State,
    advance: &'a mut Advance<'a>,
    which: usize,
}

impl Run<'_> {
    /// The step call by call.
    fn eager(&mut self) -> Result<StepResult> {
        let outcome = (self.advance)(self.device, self.state)?;
        let values = outcome.report.download()?.into_f64();
        Ok((outcome, values))
    }

    /// The step call by call, in the memory that a captured graph reads.
    fn in_place(&mut self, graphs: &dyn Graphs) -> Result<StepResult> {
        graphs.begin(self.device.id, false)?;
        let outcome = (self.advance)(self.device, &mut self.state.clone());
        let done = outcome.and_then(|outcome| {
            let values = outcome.report.download()?.into_f64();
            Ok((outcome, values))
        });
        graphs.end(self.device.id)?;
        done
    }

    /// The step on a backend that watches it. What changes is written where it lies, so the state's own
    /// tensors stay the ones that count.
    fn traced(&mut self, mode: TraceMode, trace: Trace) -> (Result<Outcome>, TraceOutcome) {
        let tracing = TracingBackend::new(&self.device.backend, self.device.id, mode, trace);
        let backend: Arc<dyn Backend> = tracing.clone();
        let device = DeviceHandle { backend: backend.clone(), id: self.device.id };
        let outcome = (self.advance)(&device, &mut self.state.with_backend(&backend));
        let traced = tracing.finish(outcome.as_ref().ok().map(|outcome| &outcome.report));
        (outcome, traced)
    }

    /// Captures the step, and writes what it uploads where the graph reads it.
    fn capture(&mut self, graphs: &dyn Graphs, trace: Trace) -> Result<(Captured, Outcome)> {
        graphs.begin(self.device.id, true)?;
        let (outcome, mut traced) = self.traced(TraceMode::Capture, trace);
        let graph = graphs.end(self.device.id);
        if let Some(why) = traced.obstacle {
            return Err(Error::failure(why));
        }
        let (outcome, graph) = (outcome?, graph?);
        let (Some(graph), Some(report)) = (graph, traced.report) else {
            return Err(Error::failure("the backend captured no graph"));
        };
        for (slot, data) in traced.pending {
            traced.trace.slots[slot].fill(graphs, data)?;
        }
        Ok((Captured { trace: traced.trace, graph, report }, outcome))
    }

    fn read(&self, report: &Handle) -> Result<Vec<f64>> {
        Ok(self.device.backend.download(report)?.into_f64())
    }
}

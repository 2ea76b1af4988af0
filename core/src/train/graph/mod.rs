//! Training whose step on the device is one graph.
//!
//! A step is watched at the only door to the tensor library (see `staged`). The first is done and written
//! down call by call, the second is done again and held against it, the third is captured. From then on the
//! host goes through the same model code without doing any of it: each call is held against the one that was
//! captured, what it uploads is written where the graph reads it, and the graph is launched. So a graph is
//! never launched for a step that is another one: where shapes vary from step to step, or random values are
//! drawn on the device, the calls differ, and the step is done call by call.

mod section;
mod staged;
mod trace;

use std::sync::Arc;
use std::time::Instant;

pub(super) use section::{Constants, Inputs, State};
use section::{Outcome, section};
use staged::{Staged, Watch, Watched};
use trace::Trace;

use crate::backend::{Backend, Handle};
use crate::graphs::Graphs;
use crate::recipe::GraphMode;
use crate::tensor::Place;
use crate::{Device, Error, Result};

/// Steps in a row that may differ from the captured one before no more are tried.
const MISSES: u32 = 3;

/// What a step did.
pub(super) struct Done {
    /// Losses and metrics by name.
    pub(super) scalars: Vec<(String, f64)>,
    /// The gradient norm before clipping.
    pub(super) norm: f64,
    /// Seconds in the forward and the backward pass; of a graph, all of it in the first.
    pub(super) seconds: [f64; 2],
}

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
    pub(super) fn new(mode: GraphMode, place: &Place) -> (Option<Self>, Option<String>) {
        let offered = place.backend.graphs(place.device).is_some();
        let wanted = match mode {
            GraphMode::Off => false,
            GraphMode::On => true,
            GraphMode::Auto => offered && matches!(place.device, Device::Cuda(_)),
        };
        if wanted && !offered {
            let (name, device) = (place.backend.info().name, place.device);
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

    /// A step.
    pub(super) fn step(
        &mut self,
        place: &Place,
        constants: &Constants<'_>,
        state: &State,
        inputs: &Inputs<'_>,
    ) -> Result<Done> {
        let which = usize::from(inputs.observe);
        let Some(graphs) = place.backend.graphs(place.device) else {
            return eager(place, constants, state, inputs);
        };
        let at = Run { place, graphs, constants, state, inputs };
        match std::mem::replace(&mut self.stages[which], Stage::Cold) {
            Stage::Off => {
                self.stages[which] = Stage::Off;
                eager(place, constants, state, inputs)
            }
            Stage::Cold => self.warm_up(&at, Watch::Record, Trace::default()),
            Stage::Recorded(trace) => self.warm_up(&at, Watch::Check, trace),
            Stage::Checked(trace) => self.capture(&at, trace),
            Stage::Captured(captured) => self.follow(&at, captured),
        }
    }

    /// A step that is done, on the queue that graphs are captured on.
    fn warm_up(&mut self, at: &Run<'_>, watch: Watch, trace: Trace) -> Result<Done> {
        let started = Instant::now();
        if let Err(error) = at.graphs.begin(at.place.device, false) {
            self.give_up(&error.to_string());
            return at.eager();
        }
        let (outcome, watched) = at.watched(watch, trace);
        let issued = started.elapsed().as_secs_f64();
        let done = match (&outcome, &watched.report) {
            (Ok(outcome), Some(report)) => at.read(outcome, report),
            _ => Err(Error::failure("a step without a result")),
        };
        let ended = at.graphs.end(at.place.device);
        let whole = started.elapsed().as_secs_f64();
        if let Some(why) = watched.obstacle {
            self.give_up(&why);
            // Done all the same, unless it stopped before anything had changed.
            if outcome.is_err() && !watched.updated {
                return at.eager();
            }
        }
        outcome?;
        let done = done?;
        ended?;
        if matches!(self.stages[at.which()], Stage::Off) {
            return Ok(done);
        }
        let bound = self.mode == GraphMode::On || launch_bound(issued, whole);
        if watch == Watch::Check && !bound {
            self.give_up(&format!(
                "launching takes {:.0} ms of a step's {:.0} ms, so a graph would gain nothing",
                1e3 * issued,
                1e3 * whole
            ));
        } else {
            let next = if watch == Watch::Record { Stage::Recorded } else { Stage::Checked };
            self.stages[at.which()] = next(watched.trace);
        }
        Ok(done)
    }

    /// Captures a step, and launches what was captured.
    fn capture(&mut self, at: &Run<'_>, trace: Trace) -> Result<Done> {
        let started = Instant::now();
        match at.capture(trace) {
            Ok((captured, outcome)) => self.launch(at, captured, &outcome, started),
            Err(error) => {
                self.give_up(&error.to_string());
                at.eager()
            }
        }
    }

    /// Goes through a step and launches the graph, if it is the one that was captured.
    fn follow(&mut self, at: &Run<'_>, mut captured: Captured) -> Result<Done> {
        let started = Instant::now();
        let (outcome, watched) = at.watched(Watch::Follow, captured.trace);
        captured.trace = watched.trace;
        match (watched.obstacle, outcome) {
            (None, Ok(outcome)) => {
                self.misses = 0;
                self.launch(at, captured, &outcome, started)
            }
            (None, Err(error)) => Err(error),
            (Some(why), _) => {
                self.misses += 1;
                if !std::mem::replace(&mut self.told, true) {
                    self.notices.push(format!("a step was not launched as a graph: {why}"));
                }
                if self.misses < MISSES {
                    self.stages[at.which()] = Stage::Captured(captured);
                } else {
                    self.give_up("they differ from one to the next");
                }
                at.eager()
            }
        }
    }

    fn launch(
        &mut self,
        at: &Run<'_>,
        captured: Captured,
        outcome: &Outcome,
        started: Instant,
    ) -> Result<Done> {
        if let Err(error) = at.graphs.replay(&captured.graph) {
            self.give_up(&error.to_string());
            return at.eager();
        }
        let mut done = at.read(outcome, &captured.report)?;
        done.seconds = [started.elapsed().as_secs_f64(), 0.0];
        self.stages[at.which()] = Stage::Captured(captured);
        Ok(done)
    }
}

fn refusal(why: &str) -> String {
    format!("steps are not launched as graphs: {why}")
}

/// Whether the device has little left to do once the host has asked for everything.
fn launch_bound(issued: f64, whole: f64) -> bool {
    issued > 0.5 * whole
}

/// A step and where it is done.
struct Run<'a> {
    place: &'a Place,
    graphs: &'a dyn Graphs,
    constants: &'a Constants<'a>,
    state: &'a State,
    inputs: &'a Inputs<'a>,
}

impl Run<'_> {
    fn which(&self) -> usize {
        usize::from(self.inputs.observe)
    }

    fn eager(&self) -> Result<Done> {
        eager(self.place, self.constants, self.state, self.inputs)
    }

    /// The step on a backend that watches it.
    fn watched(&self, watch: Watch, trace: Trace) -> (Result<Outcome>, Watched) {
        let staged = Staged::new(&self.place.backend, self.place.device, watch, trace);
        let backend: Arc<dyn Backend> = staged.clone();
        let place = Place { backend: backend.clone(), device: self.place.device };
        let outcome = section(&place, self.constants, &self.state.with_backend(&backend), self.inputs);
        let watched = staged.finish(outcome.as_ref().ok().map(|outcome| &outcome.report));
        (outcome, watched)
    }

    /// Captures the step, and writes what it uploads where the graph reads it.
    fn capture(&self, trace: Trace) -> Result<(Captured, Outcome)> {
        self.graphs.begin(self.place.device, true)?;
        let (outcome, mut watched) = self.watched(Watch::Capture, trace);
        let graph = self.graphs.end(self.place.device);
        if let Some(why) = watched.obstacle {
            return Err(Error::failure(why));
        }
        let (outcome, graph) = (outcome?, graph?);
        let (Some(graph), Some(report)) = (graph, watched.report) else {
            return Err(Error::failure("the backend captured no graph"));
        };
        for (slot, data) in watched.pending {
            watched.trace.slots[slot].fill(self.graphs, data)?;
        }
        Ok((Captured { trace: watched.trace, graph, report }, outcome))
    }

    fn read(&self, outcome: &Outcome, report: &Handle) -> Result<Done> {
        let values = self.place.backend.download(report)?.into_f64();
        done(outcome, values)
    }
}

/// The step call by call.
fn eager(place: &Place, constants: &Constants<'_>, state: &State, inputs: &Inputs<'_>) -> Result<Done> {
    let outcome = section(place, constants, state, inputs)?;
    done(&outcome, outcome.report.download()?.into_f64())
}

fn done(outcome: &Outcome, mut values: Vec<f64>) -> Result<Done> {
    let norm = values.pop().unwrap_or(f64::NAN);
    if values.len() != outcome.names.len() {
        return Err(Error::failure("a step's report has another length"));
    }
    let scalars = outcome.names.iter().cloned().zip(values).collect();
    Ok(Done { scalars, norm, seconds: outcome.seconds })
}

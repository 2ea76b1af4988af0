//! What a comparison of backends told.

pub(crate) mod figures;
pub(crate) mod verdict;

use palimpsest_core::recipe::{Precision, Recipe};
use serde_json::Value;

use crate::energy::Joules;
use crate::meta_backend::Flops;

/// What a step of a candidate told.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Step {
    /// From 1.
    pub(crate) step: u64,
    pub(crate) loss: f64,
    pub(crate) grad_norm: f64,
    /// By the clock, data included.
    pub(crate) seconds: f64,
    pub(crate) phases: StepTimes,
    /// Bytes of resident host memory at most so far.
    pub(crate) host_peak: Option<u64>,
    /// Bytes of device memory at most so far, as the backend tells.
    pub(crate) device_peak: Option<u64>,
    /// Bytes that the process held on the device at the end of its turn, as the driver tells.
    #[serde(skip)]
    pub(crate) device_process: Option<u64>,
    /// An equal share of the turn's energy.
    #[serde(skip)]
    pub(crate) joules: Joules,
}

/// Seconds by phase.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(crate) struct StepTimes {
    pub(crate) data: f64,
    pub(crate) corruption: f64,
    pub(crate) forward: f64,
    pub(crate) backward: f64,
    /// Copying gradients to and from the host; 0 for one process alone, or where nobody tells.
    #[serde(default)]
    pub(crate) staging: f64,
    /// Waiting for the sums of several processes; 0 as above.
    #[serde(default)]
    pub(crate) sums: f64,
    pub(crate) optimiser: f64,
}

impl StepTimes {
    /// Names and seconds.
    pub(crate) fn named(&self) -> [(&'static str, f64); 7] {
        [
            ("data", self.data),
            ("corruption", self.corruption),
            ("forward", self.forward),
            ("backward", self.backward),
            ("staging", self.staging),
            ("sums", self.sums),
            ("optimiser", self.optimiser),
        ]
    }

    /// What is timed of every candidate alike: the step without data and corruption.
    pub(crate) fn computing(&self) -> f64 {
        self.forward + self.backward + self.staging + self.sums + self.optimiser
    }
}

/// A candidate's whole run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The processor's instructions that it uses, where it tells.
    pub(crate) instructions: Option<String>,
    /// Seconds from the process's start to its first step.
    pub(crate) startup: f64,
    pub(crate) steps: Vec<Step>,
}

/// What a step has to do, and what the device could.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Work {
    /// Images of a step.
    pub(crate) batch: usize,
    /// Floating-point operations of a step.
    pub(crate) flops: Flops,
    /// The device's floating-point operations a second at most, where its peak is known.
    pub(crate) peak: Option<f64>,
}

/// All that a report needs.
pub(crate) struct Comparison {
    pub(crate) recipe: Recipe,
    pub(crate) environment: Value,
    pub(crate) work: Work,
    pub(crate) outcomes: Vec<Outcome>,
    /// First steps that are not timed.
    pub(crate) warm_up: usize,
}

impl Comparison {
    /// The recipe in a line, for a header.
    pub(crate) fn subject(&self) -> String {
        let Recipe { run, data, train, .. } = &self.recipe;
        let precision = if run.precision == Precision::Bf16 { "bf16" } else { "f32" };
        let changed = crate::report::overrides(&self.environment["command"]);
        let changed = if changed.is_empty() { changed } else { format!("; {changed}") };
        format!("{}: {} px, batch {}, {precision}{changed}", run.name, data.image_size, train.batch)
    }
}

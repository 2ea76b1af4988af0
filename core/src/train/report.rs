//! What a step tells.

use crate::corruption::Corrupted;

/// Seconds of a step by phase.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct StepTimes {
    /// Waiting for the loader.
    pub data: f64,
    /// Planning and preparing the corruption: roles, noise, uploads.
    pub corruption: f64,
    /// Forward passes of teachers.
    #[serde(skip_serializing_if = "is_zero")]
    pub teacher: f64,
    /// Forward pass; of a step that is launched as a graph, everything on the device.
    pub forward: f64,
    /// Backward pass.
    pub backward: f64,
    /// Copying gradients to and from the host, for sums between processes; and new weights, where processes share them out.
    #[serde(skip_serializing_if = "is_zero")]
    pub staging: f64,
    /// Waiting for sums between processes, and for their new weights.
    #[serde(skip_serializing_if = "is_zero")]
    pub sums: f64,
    /// The gradient norm, clipping, the optimiser's step, the average of weights, and the wait for the report.
    pub optimiser: f64,
}

impl StepTimes {
    /// The whole step.
    pub fn total(&self) -> f64 {
        let computed = self.corruption + self.teacher + self.forward + self.backward + self.optimiser;
        self.data + computed + self.staging + self.sums
    }
}

/// One process alone has no such phase.
fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// What a step did.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// The step, from 1.
    pub step: u64,
    /// The learning rate.
    pub lr: f64,
    /// Total loss, losses by name, metrics.
    pub scalars: Vec<(String, f64)>,
    /// What the plan of a pre-training step corrupted; fine-tuning corrupts nothing.
    pub corrupted: Option<Corrupted>,
    /// The global gradient norm before clipping.
    pub grad_norm: f64,
    /// Images in the step, of all processes.
    pub images: usize,
    /// Whether any process was asked to stop.
    pub stop: bool,
    /// The first rank whose loss is not finite; 0 where all are.
    pub culprit: usize,
    /// Where the time went.
    pub phases: StepTimes,
}

impl StepReport {
    /// The total loss.
    pub fn loss(&self) -> f64 {
        self.scalars.first().map_or(f64::NAN, |(_, value)| *value)
    }

    /// What is logged by name: the scalars, then which shares of the tokens were corrupted.
    pub fn figures(&self) -> impl Iterator<Item = (&str, f64)> {
        let shares =
            self.corrupted.iter().flat_map(|c| [("tokens/masked", c.masked), ("tokens/noised", c.noised)]);
        self.scalars.iter().map(|(name, value)| (name.as_str(), *value)).chain(shares)
    }

    /// Whether loss and gradient are finite; nothing has changed where they are not.
    pub fn is_finite(&self) -> bool {
        self.loss().is_finite() && self.grad_norm.is_finite()
    }
}

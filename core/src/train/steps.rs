//! The loop around steps that pre-training and fine-tuning share: a batch, a step on it, and the end of it all where
//! the step is not finite.

use std::collections::VecDeque;
use std::time::Instant;

use super::StepReport;
use crate::{Error, Result};

/// Steps whose losses a run's last loss is the mean of.
const RECENT: usize = 20;

/// What steps are taken, and what is done between them.
pub(crate) trait Steps {
    /// A batch, or the first part of one.
    type Batch;
    /// Whether another step is due.
    fn due(&self) -> bool;
    /// The next batch.
    fn batch(&mut self) -> Result<Self::Batch>;
    /// A step on a batch.
    fn step(&mut self, batch: &Self::Batch) -> Result<StepReport>;
    /// What is told of a step that was not finite.
    fn diverged(&mut self, batch: &Self::Batch, report: &StepReport, pace: &Pace) -> Result<Error>;
    /// Takes back the memory of a batch.
    fn recycle(&mut self, batch: Self::Batch);
    /// After a step: records, observers, checkpoints; an error ends the loop.
    fn stepped(&mut self, report: &StepReport, pace: &Pace) -> Result<()>;
}

/// How steps went. A checkpoint carries it, so that it adds up over the legs of a run that was stopped and resumed: a
/// step that was lost and done again counts once, as its weights do.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pace {
    /// The losses of the last steps.
    recent: VecDeque<f64>,
    /// Seconds in steps and in waiting for their batches; evaluations, images and checkpoints are left out.
    pub seconds: f64,
    /// Seconds in waiting for batches.
    waited: f64,
    images: usize,
}

impl Pace {
    /// The mean loss of the last steps (up to 20).
    pub fn loss(&self) -> f64 {
        self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64
    }

    /// Images per second.
    pub fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds.max(1e-9)
    }

    /// The share of the time that was spent waiting for batches.
    pub fn data_wait(&self) -> f64 {
        self.waited / self.seconds.max(1e-9)
    }

    /// Adds a step.
    fn add(&mut self, report: &StepReport, seconds: f64) {
        self.seconds += seconds;
        self.waited += report.phases.data;
        self.images += report.images;
        self.recent.push_back(report.loss());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}

/// Takes steps for as long as they are due, and adds them to those of before.
pub(crate) fn take(steps: &mut impl Steps, mut pace: Pace) -> Result<Pace> {
    while steps.due() {
        let started = Instant::now();
        let batch = steps.batch()?;
        let data = started.elapsed().as_secs_f64();
        let mut report = steps.step(&batch)?;
        report.phases.data += data;
        let seconds = started.elapsed().as_secs_f64();
        if !report.is_finite() {
            return Err(steps.diverged(&batch, &report, &pace)?);
        }
        steps.recycle(batch);
        pace.add(&report, seconds);
        steps.stepped(&report, &pace)?;
    }
    Ok(pace)
}

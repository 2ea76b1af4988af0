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
    /// A batch.
    type Batch;
    /// Whether another step is due.
    fn due(&self) -> bool;
    /// The next batch.
    fn batch(&mut self) -> Result<Self::Batch>;
    /// A step on a batch.
    fn step(&mut self, batch: &Self::Batch) -> Result<StepReport>;
    /// What is told of a step that was not finite.
    fn diverged(&mut self, batch: &Self::Batch, report: &StepReport) -> Result<Error>;
    /// Takes back the memory of a batch.
    fn recycle(&mut self, batch: Self::Batch);
    /// After a step: records, observers, checkpoints; an error ends the loop.
    fn stepped(&mut self, report: &StepReport) -> Result<()>;
}

/// How a loop went.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    recent: VecDeque<f64>,
    /// Seconds in steps and in waiting for their batches.
    pub(crate) seconds: f64,
    /// Seconds in waiting for batches.
    waited: f64,
    images: usize,
}

impl Pace {
    /// The mean loss of the last steps.
    pub(crate) fn loss(&self) -> f64 {
        self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64
    }

    /// Images per second.
    pub(crate) fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds.max(1e-9)
    }

    /// The share of the time that was spent waiting for batches.
    pub(crate) fn data_wait(&self) -> f64 {
        self.waited / self.seconds.max(1e-9)
    }
}

/// Takes steps for as long as they are due.
pub(crate) fn take(steps: &mut impl Steps) -> Result<Pace> {
    let mut pace = Pace::default();
    while steps.due() {
        let started = Instant::now();
        let batch = steps.batch()?;
        let data = started.elapsed().as_secs_f64();
        let mut report = steps.step(&batch)?;
        report.phases.data = data;
        pace.seconds += started.elapsed().as_secs_f64();
        pace.waited += data;
        pace.images += report.images;
        if !report.is_finite() {
            return Err(steps.diverged(&batch, &report)?);
        }
        steps.recycle(batch);
        pace.recent.push_back(report.loss());
        if pace.recent.len() > RECENT {
            pace.recent.pop_front();
        }
        steps.stepped(&report)?;
    }
    Ok(pace)
}

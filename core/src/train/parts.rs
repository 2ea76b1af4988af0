//! The parts of a step's batch, asked of their source one by one, so that no more of a large batch than a part is in
//! memory.

use std::time::Instant;

use crate::Result;
use crate::data::{Batch, BatchSource};

/// The parts of one step.
pub(super) struct Parts<'a> {
    source: &'a mut dyn BatchSource,
    step: u64,
    /// The first, which was asked for before.
    first: &'a Batch,
    /// A further one.
    held: Option<Batch>,
    /// The part that the source gives next.
    next: usize,
    /// Seconds of waiting for parts.
    pub(super) waited: f64,
}

impl<'a> Parts<'a> {
    /// Of a step, whose first part was taken from the source.
    pub(super) fn new(source: &'a mut dyn BatchSource, step: u64, first: &'a Batch) -> Self {
        Self { source, step, first, held: None, next: 1, waited: 0.0 }
    }

    /// Part `number`, from 0. They are asked for in a row; a step that is tried again begins again.
    ///
    /// # Errors
    /// More broken files than the recipe allows.
    pub(super) fn part(&mut self, number: usize) -> Result<&Batch> {
        if number == 0 {
            return Ok(self.first);
        }
        let started = Instant::now();
        if number < self.next {
            self.source.seek(self.step)?;
            self.next = 0;
        }
        while self.next <= number {
            if let Some(before) = self.held.take() {
                self.source.recycle(before);
            }
            self.held = Some(self.source.next_batch()?);
            self.next += 1;
        }
        self.waited += started.elapsed().as_secs_f64();
        Ok(self.held.as_ref().unwrap_or(self.first))
    }

    /// Gives the memory of the last part back.
    pub(super) fn finish(self) {
        if let Some(last) = self.held {
            self.source.recycle(last);
        }
    }
}

/// All parts of a step as one batch.
///
/// # Errors
/// As [`Parts::part`].
pub(super) fn whole(source: &mut dyn BatchSource, step: u64) -> Result<Batch> {
    source.seek(step)?;
    let mut batch = source.next_batch()?;
    for _ in 1..source.parts() {
        batch.append(source.next_batch()?);
    }
    Ok(batch)
}

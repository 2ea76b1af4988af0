//! Scores of two variants, and their differences where they are paired by seed.

use crate::{Error, check};

/// Scores of two variants on one task, a score a run. Higher is better: turn the sign of losses round.
#[derive(Debug, Clone, Copy)]
pub struct Scores<'a> {
    /// What is tried.
    pub candidate: &'a [f64],
    /// What it is held against.
    pub baseline: &'a [f64],
}

impl Scores<'_> {
    /// Candidate less baseline, position by position: both sides hold the same seeds in the same order. Pairing takes out
    /// what a seed does to both (its order of the data, its initial weights).
    ///
    /// # Errors
    /// If the sides differ in length or are empty, or a score is not finite.
    pub fn differences(&self) -> Result<Vec<f64>, Error> {
        self.paired()?;
        Ok(self
            .candidate
            .iter()
            .zip(self.baseline)
            .map(|(candidate, baseline)| candidate - baseline)
            .collect())
    }

    /// The sides belong together position by position.
    pub(crate) fn paired(&self) -> Result<(), Error> {
        if self.candidate.len() != self.baseline.len() {
            return Err(Error::Unpaired { first: self.candidate.len(), second: self.baseline.len() });
        }
        self.filled()
    }

    /// Both sides have scores, all of them finite.
    pub(crate) fn filled(&self) -> Result<(), Error> {
        check::enough("scores of the candidate", self.candidate, 1)?;
        check::enough("scores of the baseline", self.baseline, 1)
    }
}

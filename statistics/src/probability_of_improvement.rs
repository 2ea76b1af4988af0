//! How likely a run of the candidate is better than one of the baseline: P(X > Y) + P(X = Y) / 2, the statistic of Mann and
//! Whitney, "On a test of whether one of two random variables is stochastically larger than the other" (1947), over its
//! largest value; averaged over tasks as by Agarwal et al. (2021).
//!
//! The same figures: `scipy.stats.mannwhitneyu(x, y).statistic / (n * m)`, rliable's `probability_of_improvement`.

use crate::mean_interval::mean;
use crate::{Bootstrap, BootstrapInterval, Error, Scores};

impl Scores<'_> {
    /// P(candidate > baseline) + P(equal) / 2 over all pairs of runs, paired by seed or not; the sides may differ in length.
    ///
    /// # Errors
    /// If a side is empty, or a score is not finite.
    pub fn improvement(&self) -> Result<f64, Error> {
        self.filled()?;
        Ok(share_of_wins(self.candidate.iter().flat_map(|x| self.baseline.iter().map(move |y| (x, y)))))
    }

    /// The share of seeds where the candidate beats the baseline, ties as half: of the pairs of the same seed alone.
    ///
    /// # Errors
    /// If the sides differ in length or are empty, or a score is not finite.
    pub fn paired_improvement(&self) -> Result<f64, Error> {
        self.paired()?;
        Ok(share_of_wins(self.candidate.iter().zip(self.baseline)))
    }
}

/// The mean over `tasks` of [`Scores::improvement`].
///
/// # Errors
/// If there are no tasks, a side is empty, or a score is not finite.
pub fn mean_improvement(tasks: &[Scores<'_>]) -> Result<f64, Error> {
    let by_task = tasks.iter().map(Scores::improvement).collect::<Result<Vec<_>, _>>()?;
    if by_task.is_empty() {
        Err(Error::TooFew { of: "tasks", found: 0, least: 1 })
    } else {
        Ok(mean(&by_task))
    }
}

/// [`mean_improvement`] with its interval: both sides of each task are resampled for themselves, which takes the runs as
/// unpaired.
///
/// # Errors
/// As [`mean_improvement`] and [`Bootstrap::interval`].
pub fn mean_improvement_interval(
    tasks: &[Scores<'_>],
    bootstrap: Bootstrap,
) -> Result<BootstrapInterval, Error> {
    mean_improvement(tasks)?;
    let strata: Vec<&[f64]> = tasks.iter().flat_map(|task| [task.candidate, task.baseline]).collect();
    bootstrap.interval(&strata, |drawn| {
        let by_task = drawn.chunks_exact(2).map(|side| Scores { candidate: &side[0], baseline: &side[1] });
        // Resamples of finite scores are finite.
        by_task.map(|task| task.improvement().unwrap_or(f64::NAN)).sum::<f64>() / tasks.len() as f64
    })
}

fn share_of_wins<'a>(pairs: impl Iterator<Item = (&'a f64, &'a f64)>) -> f64 {
    // Halves are counted as whole numbers, so that nothing is rounded before the division.
    let (halves, all) = pairs.fold((0_u64, 0_u64), |(halves, all), (x, y)| {
        (halves + 2 * u64::from(x > y) + u64::from(x == y), all + 2)
    });
    halves as f64 / all as f64
}

//! The interquartile mean: Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice" (2021).

use crate::{Error, check};

/// The mean of the middle half of `values`: the floor(n / 4) lowest and as many of the highest are left out. Over several
/// tasks: of all runs of all tasks together, each task's scores brought to one scale before.
///
/// The same figures: `scipy.stats.trim_mean(values, 0.25)`, which is rliable's `aggregate_iqm`. Whole values are cut, none
/// by halves: where n is no multiple of 4, less than a quarter goes at each end, and of 3 values or fewer none, which makes
/// it the mean.
///
/// # Errors
/// If there are no values, or one is not finite.
pub fn interquartile_mean(values: &[f64]) -> Result<f64, Error> {
    check::enough("values", values, 1)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 4;
    let middle = &sorted[cut..sorted.len() - cut];
    Ok(middle.iter().sum::<f64>() / middle.len() as f64)
}

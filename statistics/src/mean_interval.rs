//! Mean, standard deviation and Student's interval: "Student", "The probable error of a mean" (1908).
//!
//! The same figures: `numpy.std(ddof=1)`, `scipy.stats.ttest_1samp(x, 0).confidence_interval()`, R's `t.test`.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{Error, Interval, check};

/// What [`mean_interval`] gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// How many values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, by n - 1; none for a single value.
    pub deviation: Option<f64>,
    /// mean ± t(n - 1) * deviation / sqrt(n); none for a single value. It takes the values as normal.
    pub interval: Option<Interval>,
}

/// Mean, standard deviation and the t-interval of `values` at `level`.
///
/// # Errors
/// If there are no values, one is not finite, or the level is not between 0 and 1.
pub fn mean_interval(values: &[f64], level: f64) -> Result<MeanInterval, Error> {
    check::enough("values", values, 1)?;
    check::level(level)?;
    let (n, mean) = (values.len(), mean(values));
    let deviation = (n > 1).then(|| deviation(values));
    let interval = deviation.map(|deviation| {
        let half = t_quantile(n - 1, (1.0 + level) / 2.0) * deviation / (n as f64).sqrt();
        Interval { low: mean - half, high: mean + half }
    });
    Ok(MeanInterval { n, mean, deviation, interval })
}

/// The mean of at least one value. Equal values give that value, without rounding: their differences from the first are
/// what is averaged.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values[0] + values.iter().map(|value| value - values[0]).sum::<f64>() / values.len() as f64
}

/// The sum of the squared distances of `values` from `centre`.
pub(crate) fn squares(values: &[f64], centre: f64) -> f64 {
    values.iter().map(|value| (value - centre).powi(2)).sum()
}

/// The standard deviation, by n - 1, of at least two values.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    (squares(values, mean(values)) / (values.len() - 1) as f64).sqrt()
}

/// The quantile of Student's t; `freedom` is at least 1.
fn t_quantile(freedom: usize, share: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64).expect("at least one degree of freedom").inverse_cdf(share)
}

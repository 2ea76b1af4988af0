//! The stratified bootstrap with percentile intervals: Efron, "Bootstrap methods: another look at the jackknife" (1979);
//! stratified by task as Agarwal et al. (2021) do.
//!
//! The same figures up to the draws: rliable's `get_interval_estimates`, `scipy.stats.bootstrap(method="percentile")`.

use crate::draws::Stream;
use crate::mean_interval::deviation;
use crate::quantile::quantile;
use crate::{Draws, Error, Interval, check};

/// How a bootstrap is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How many resamples, and their seed.
    pub draws: Draws,
    /// The nominal coverage of the interval, such as 0.95.
    pub level: f64,
}

/// What a [`Bootstrap`] gives.
///
/// The interval's coverage is nominal: with few runs a stratum it covers less, as a resample of n values has (n - 1) / n of
/// their variance. For one task and five paired seeds [`hodges_lehmann`](crate::hodges_lehmann()) says what it covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapInterval {
    /// The statistic of the values themselves.
    pub estimate: f64,
    /// Between the percentiles of the resamples' statistics.
    pub interval: Interval,
    /// The standard deviation (n - 1) of the resamples' statistics; none for a single resample.
    pub standard_error: Option<f64>,
    /// How many strata have a single value, which every resample takes: they add nothing to the interval, as if that run
    /// had no spread.
    pub single: usize,
}

impl Bootstrap {
    /// The interval of any `statistic` of `strata` (tasks, or cells of a design), each of which is resampled with
    /// replacement for itself. The statistic gets as many values a stratum as there are, in the strata's order.
    ///
    /// # Errors
    /// If there are no strata or one is empty, a value or a statistic is not finite, no draws are asked for, or the level
    /// is not between 0 and 1.
    pub fn interval<S: AsRef<[f64]>>(
        &self,
        strata: &[S],
        mut statistic: impl FnMut(&[Vec<f64>]) -> f64,
    ) -> Result<BootstrapInterval, Error> {
        // Thin, as it exists as often as there are statistics.
        self.of(strata.iter().map(|stratum| stratum.as_ref().to_vec()).collect(), &mut statistic)
    }

    fn of(
        &self,
        strata: Vec<Vec<f64>>,
        statistic: &mut dyn FnMut(&[Vec<f64>]) -> f64,
    ) -> Result<BootstrapInterval, Error> {
        check::level(self.level)?;
        if self.draws.count == 0 {
            return Err(Error::NoDraws);
        }
        if strata.is_empty() {
            return Err(Error::TooFew { of: "strata", found: 0, least: 1 });
        }
        for stratum in &strata {
            check::enough("values of a stratum", stratum, 1)?;
        }
        let mut evaluate = |draw, strata: &[Vec<f64>]| match statistic(strata) {
            value if value.is_finite() => Ok(value),
            value => Err(Error::Statistic { draw, value }),
        };
        let estimate = evaluate(None, &strata)?;
        let mut resample = strata.clone();
        let mut values = Vec::with_capacity(self.draws.count as usize);
        for draw in 0..self.draws.count {
            for (part, (drawn, stratum)) in resample.iter_mut().zip(&strata).enumerate() {
                // Each stratum has draws of its own: another one beside it changes nothing.
                let mut random = self.draws.generator(Stream::Resample, part, draw);
                drawn.fill_with(|| stratum[random.below(stratum.len())]);
            }
            values.push(evaluate(Some(draw), &resample)?);
        }
        values.sort_by(f64::total_cmp);
        let outside = (1.0 - self.level) / 2.0;
        let interval = Interval { low: quantile(&values, outside), high: quantile(&values, 1.0 - outside) };
        let standard_error = (values.len() > 1).then(|| deviation(&values));
        let single = strata.iter().filter(|stratum| stratum.len() == 1).count();
        Ok(BootstrapInterval { estimate, interval, standard_error, single })
    }
}

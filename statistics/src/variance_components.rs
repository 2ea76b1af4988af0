//! What varies: the seed of the pre-training, or that of the head after it. One-way random effects by the moments of the
//! analysis of variance: Searle, Casella and McCulloch, "Variance Components" (1992), sections 3.5 and 3.6.

use crate::mean_interval::{mean, squares};
use crate::{Error, check};

/// What [`variance_components`] gives. With a groups (pre-training seeds) of n_i scores (head seeds), N scores in all:
///
/// MSW = sum of squares within groups / (N - a), MSB = sum of squares between groups / (a - 1),
/// n0 = (N - sum n_i^2 / N) / (a - 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceComponents {
    /// Variance of the head's seeds within a pre-training: MSW.
    pub within: f64,
    /// Variance of the pre-training's seeds: (MSB - MSW) / n0, or 0 where that is below.
    pub between: f64,
    /// (MSB - MSW) / n0 as it came. Below 0 the groups differ less than chance within them would have them differ;
    /// [`between`](Self::between) was then cut at 0, and is no longer unbiased.
    pub between_uncut: f64,
    /// between / (between + within), the intraclass correlation; none where nothing varies.
    pub share_between: Option<f64>,
    /// n0: how many scores a group counts for, the number of each where all have as many.
    pub group_size: f64,
}

/// The components of variance of scores in `groups`: one a pre-training seed, with a score a head seed. Groups may differ
/// in size.
///
/// The same figures: the mean squares of `statsmodels.stats.anova.anova_lm` or R's `aov(score ~ group)`. With equal sizes
/// and nothing cut, REML gives the same components (`statsmodels` `MixedLM`, R's `lmer`).
///
/// # Errors
/// If there are fewer than two groups, one is empty, none has two scores, or a score is not finite.
pub fn variance_components<S: AsRef<[f64]>>(groups: &[S]) -> Result<VarianceComponents, Error> {
    of(&groups.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

fn of(groups: &[&[f64]]) -> Result<VarianceComponents, Error> {
    if groups.len() < 2 {
        return Err(Error::TooFew { of: "groups", found: groups.len(), least: 2 });
    }
    for group in groups {
        check::enough("scores of a group", group, 1)?;
    }
    let all = groups.concat();
    if all.len() == groups.len() {
        return Err(Error::TooFew { of: "scores of the largest group", found: 1, least: 2 });
    }
    let (n, between_freedom) = (all.len() as f64, (groups.len() - 1) as f64);
    let (mut within, mut between, mut squared_sizes) = (0.0, 0.0, 0.0);
    let grand = mean(&all);
    for group in groups {
        let (size, centre) = (group.len() as f64, mean(group));
        within += squares(group, centre);
        between += size * (centre - grand).powi(2);
        squared_sizes += size * size;
    }
    within /= n - groups.len() as f64;
    between /= between_freedom;
    let group_size = (n - squared_sizes / n) / between_freedom;
    let between_uncut = (between - within) / group_size;
    let between = between_uncut.max(0.0);
    let share_between = (between + within > 0.0).then(|| between / (between + within));
    Ok(VarianceComponents { within, between, between_uncut, share_between, group_size })
}

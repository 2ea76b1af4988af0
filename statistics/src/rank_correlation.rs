//! Whether two figures rise together over several settings.

use crate::draws::{Draws, Stream};
use crate::{Error, check};

/// What [`rank_correlation`] gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankCorrelation {
    /// Spearman's rho: Pearson's correlation of the ranks, where equal values share the mean of their ranks.
    pub rho: f64,
    /// p of: the two have nothing to do with each other; the share of random orders whose |rho| is as large,
    /// (1 + count) / (1 + draws).
    pub p: f64,
}

/// Spearman's rank correlation (1904) of `x` and `y`, position by position; none where either has one value throughout, which
/// has no order.
///
/// The same rho: `scipy.stats.spearmanr`, R's `cor(method = "spearman")`. p is that of a permutation test
/// (`scipy.stats.permutation_test(permutation_type="pairings")`), not of Student's t, which few settings don't follow.
///
/// # Errors
/// If there are fewer than three positions, the sides differ in length, a value is not finite, or no draws are asked for.
pub fn rank_correlation(x: &[f64], y: &[f64], draws: Draws) -> Result<Option<RankCorrelation>, Error> {
    check::enough("settings", x, 3)?;
    check::finite(y)?;
    if x.len() != y.len() {
        return Err(Error::Unpaired { first: x.len(), second: y.len() });
    }
    if draws.count == 0 {
        return Err(Error::NoDraws);
    }
    let (x, mut y) = (centred_ranks(x), centred_ranks(y));
    let size = (sum_of_products(&x, &x) * sum_of_products(&y, &y)).sqrt();
    if size == 0.0 {
        return Ok(None);
    }
    let observed = sum_of_products(&x, &y);
    // Ranks are whole or halves: what differs, differs by a quarter at least, far above rounding.
    let least = observed.abs() - 1e-6;
    let mut count = 0u32;
    for draw in 0..draws.count {
        draws.generator(Stream::Pairing, 0, draw).shuffle(&mut y);
        count += u32::from(sum_of_products(&x, &y).abs() >= least);
    }
    Ok(Some(RankCorrelation { rho: observed / size, p: f64::from(1 + count) / f64::from(1 + draws.count) }))
}

fn sum_of_products(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The ranks of values, less their mean.
fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: f64| {
        let below = values.iter().filter(|other| **other < value).count();
        let equal = values.iter().filter(|other| **other == value).count();
        // Places below + 1 to below + equal, their mean.
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    let middle = (values.len() as f64 + 1.0) / 2.0;
    values.iter().map(|value| rank(*value) - middle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1, `spearmanr([1, 2, 2, 4, 5, 7], [3, 1, 4, 4, 6, 5])`: 0.8088235294117647.
    #[test]
    fn ties_share_their_ranks() {
        let found = rank_correlation(
            &[1.0, 2.0, 2.0, 4.0, 5.0, 7.0],
            &[3.0, 1.0, 4.0, 4.0, 6.0, 5.0],
            Draws::default(),
        )
        .expect("numbers")
        .expect("an order");
        assert!((found.rho - 0.808_823_529_411_764_7).abs() < 1e-12, "{found:?}");
    }

    /// All 24 orders of four settings: |rho| is 1 in two of them. The draws' share has a deviation of 0.003.
    #[test]
    fn p_is_the_share_of_orders() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let found = rank_correlation(&values, &values, Draws::default()).expect("numbers").expect("an order");
        assert!((found.rho - 1.0).abs() < 1e-12 && (found.p - 2.0 / 24.0).abs() < 0.012, "{found:?}");
        assert_eq!(rank_correlation(&values, &[1.0; 4], Draws::default()), Ok(None));
        assert!(rank_correlation(&values[..2], &values[..2], Draws::default()).is_err());
    }
}

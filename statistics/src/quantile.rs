//! Quantiles of sorted values.

/// The `share`-quantile of `sorted` values, linear between neighbours: type 7 of Hyndman and Fan, "Sample quantiles in
/// statistical packages" (The American Statistician 50, 1996), which is `numpy.quantile`'s and R's default. The median at
/// 0.5.
///
/// `sorted` has at least one value, `share` is in 0..=1.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * share;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let part = place - below as f64;
    // Equal neighbours give that value, not one beside it.
    sorted[below] + (sorted[above] - sorted[below]) * part
}

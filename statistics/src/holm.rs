//! Holm's correction for several comparisons: Holm, "A simple sequentially rejective multiple test procedure" (1979).

use crate::Error;

/// Adjusted p-values, in the order of `p_values`: the i-th smallest of m (from 0) times m - i, at least the one before it,
/// at most 1. Those at or below alpha are rejected, and no true hypothesis is among them with probability 1 - alpha,
/// however the comparisons depend on each other. All comparisons that were made belong into it, not the good ones alone.
///
/// The same figures: `statsmodels.stats.multitest.multipletests(p, method="holm")`, R's `p.adjust(p, "holm")`; but
/// statsmodels counts a NaN as one of the m and leaves it NaN, R leaves it out, and here it is refused.
///
/// # Errors
/// If a p-value is NaN or outside of 0 to 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    if let Some(position) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(Error::PValue { position, value: p_values[position] });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &position) in order.iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[position]).min(1.0);
        adjusted[position] = largest;
    }
    Ok(adjusted)
}

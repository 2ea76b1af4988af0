//! The null distribution of the Wilcoxon signed-rank statistic: Wilcoxon, "Individual comparisons by ranking methods"
//! (1945). R's `psignrank` and `qsignrank`.

/// P(T = t) for each t in 0..=n (n + 1) / 2, where T is the sum of those of the ranks 1..=n whose differences are above 0,
/// each with probability 1/2. By counting: rank r is added to the sum or not.
pub(crate) fn probabilities(n: usize) -> Vec<f64> {
    let mut by_sum = vec![0.0; n * (n + 1) / 2 + 1];
    by_sum[0] = 1.0;
    for rank in 1..=n {
        // From the top, so that the sums below are still those without this rank.
        for sum in (0..=rank * (rank + 1) / 2).rev() {
            let with = if sum >= rank { by_sum[sum - rank] } else { 0.0 };
            by_sum[sum] = (by_sum[sum] + with) / 2.0;
        }
    }
    by_sum
}

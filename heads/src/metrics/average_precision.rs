//! Average precision of a ranking.

/// The mean of the precision at each score that is had by an image with the label, weighted by the recall that it adds:
/// scikit-learn's `average_precision_score`, without interpolation. Equal scores are one step, whatever their order.
///
/// `ranked` has a score, which is a number, and whether the label is there. None without an image that has the label, where
/// scikit-learn warns and gives 0.
pub fn average_precision(ranked: impl IntoIterator<Item = (f32, bool)>) -> Option<f64> {
    let mut ranked: Vec<(f32, bool)> = ranked.into_iter().collect();
    let all = ranked.iter().filter(|(_, has)| *has).count();
    ranked.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut seen, mut right, mut sum) = (0usize, 0usize, 0.0);
    // By value: 0 and -0 are equal.
    for tied in ranked.chunk_by(|(a, _), (b, _)| a == b) {
        let found = tied.iter().filter(|(_, has)| *has).count();
        seen += tied.len();
        right += found;
        sum += found as f64 / all as f64 * (right as f64 / seen as f64);
    }
    (all > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of scikit-learn's documentation.
    #[test]
    fn as_documented() {
        let ap = average_precision([(0.1, false), (0.4, false), (0.35, true), (0.8, true)]);
        assert!((ap.expect("two positives") - 0.833_333_333_333_333_3).abs() < 1e-15);
        assert_eq!(average_precision([(0.0, true), (-0.0, false)]), Some(0.5));
        assert_eq!(average_precision([(0.0, false)]), None);
    }
}

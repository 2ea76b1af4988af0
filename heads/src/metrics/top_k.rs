//! Top-k accuracy.

use palimpsest_core::{Error, Result};

/// The share of samples whose label is among the `k` classes of the greatest scores. Of equal scores
/// the later class counts as greater, as scikit-learn's `top_k_accuracy_score` has it.
///
/// `scores` is [count, classes], `labels` has count classes.
///
/// # Errors
/// Lengths that don't fit, no samples, a label that is no class, a score that is not a number.
pub fn top_k_accuracy(scores: &[f32], classes: usize, labels: &[i64], k: usize) -> Result<f64> {
    if labels.is_empty() || scores.len() != labels.len() * classes {
        return Err(Error::failure(format!(
            "top-{k} accuracy of {} scores for {} labels and {classes} classes",
            scores.len(),
            labels.len()
        )));
    }
    let mut right = 0usize;
    for (row, (scores, &label)) in scores.chunks_exact(classes).zip(labels).enumerate() {
        if scores.iter().any(|s| s.is_nan()) {
            return Err(Error::failure(format!("the scores of sample {row} are not numbers")));
        }
        let label = usize::try_from(label).ok().filter(|&l| l < classes).ok_or_else(|| {
            Error::user(format!("sample {row} has the label {label}, of {classes} classes"))
                .help("give every sample one of the classes")
        })?;
        let own = scores[label];
        let better = scores
            .iter()
            .enumerate()
            .filter(|(class, s)| **s > own || (**s == own && *class > label))
            .count();
        right += usize::from(better < k);
    }
    Ok(right as f64 / labels.len() as f64)
}

//! RankMe (Garrido et al. 2023): the effective rank of features, which goes with how well they do downstream.

use nalgebra::DMatrix;

/// Added to each share, as in the paper.
const EPSILON: f64 = 1e-7;

/// exp of the entropy of the singular values' shares, of features [N, `width`], as they are: not
/// centred, not scaled. It is at most min(N, `width`).
pub fn rank_me(features: &[f32], width: usize) -> f64 {
    let count = features.len() / width.max(1);
    if count == 0 {
        return 0.0;
    }
    // The squares of the singular values are the eigenvalues of the smaller product. In f64 that leaves those
    // below 1e-8 of the largest in the noise, and a share of 1e-8 doesn't count beside EPSILON.
    let matrix = DMatrix::from_row_iterator(count, width, features.iter().map(|&v| f64::from(v)));
    let product = if count < width { &matrix * matrix.transpose() } else { matrix.tr_mul(&matrix) };
    let values: Vec<f64> = product.symmetric_eigenvalues().iter().map(|v| v.max(0.0).sqrt()).collect();
    let sum: f64 = values.iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let entropy: f64 = values
        .iter()
        .map(|value| {
            let share = value / sum + EPSILON;
            -share * share.ln()
        })
        .sum();
    entropy.exp()
}

//! The eigenvalues of symmetric matrices, by the textbook's two steps (Golub & Van Loan, Matrix Computations, 8.3):
//! Householder's reflections leave three diagonals, and implicit QL iterations with Wilkinson's shift leave one.
//!
//! A linear algebra library would do it too: nalgebra and what it brings took longer to compile than all of this crate
//! takes without it.

use rayon::prelude::*;

/// `matrix` [n, `width`] transposed times itself, [`width`, `width`].
pub(super) fn gram(matrix: &[f64], width: usize) -> Vec<f64> {
    // Rows of the product that stay in the cache while the matrix passes by.
    const ROWS: usize = 16;
    let mut product = vec![0.0; width * width];
    product.par_chunks_mut(ROWS * width).enumerate().for_each(|(block, rows)| {
        for values in matrix.chunks_exact(width) {
            for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                let at = block * ROWS + i;
                let factor = values[at];
                // The rest is the same on the other side of the diagonal.
                row[at..].iter_mut().zip(&values[at..]).for_each(|(sum, value)| *sum += factor * value);
            }
        }
    });
    for i in 0..width {
        for j in 0..i {
            product[i * width + j] = product[j * width + i];
        }
    }
    product
}

/// The eigenvalues of a symmetric matrix [n, n], in no order.
pub(super) fn symmetric_eigenvalues(matrix: Vec<f64>, n: usize) -> Vec<f64> {
    let (mut diagonal, mut beside) = tridiagonal(matrix, n);
    iterate(&mut diagonal, &mut beside);
    diagonal
}

/// The diagonal of a similar matrix that has three, and what is beside it: the last element there is 0.
fn tridiagonal(mut matrix: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n {
        diagonal[k] = matrix[k * n + k];
        let mut v = matrix[k * n + k + 1..(k + 1) * n].to_vec();
        let Some(&first) = v.first() else { break };
        let rest = dot(&v[1..], &v[1..]);
        if rest == 0.0 {
            beside[k] = first;
            continue;
        }
        // I - beta v v^T turns the row into (length, 0, …); the sign is that which cancels nothing.
        let length = -(first * first + rest).sqrt().copysign(first);
        beside[k] = length;
        v[0] -= length;
        let beta = 2.0 / (v[0] * v[0] + rest);
        let mut block: Vec<&mut [f64]> =
            matrix[(k + 1) * n..].chunks_exact_mut(n).map(|row| &mut row[k + 1..]).collect();
        let mut w: Vec<f64> = block.iter().map(|row| beta * dot(row, &v)).collect();
        let shift = beta / 2.0 * dot(&v, &w);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= shift * v);
        for ((row, &vi), &wi) in block.iter_mut().zip(&v).zip(&w) {
            for ((value, v), w) in row.iter_mut().zip(&v).zip(&w) {
                *value -= vi * w + wi * v;
            }
        }
    }
    (diagonal, beside)
}

/// In eight sums, as one would wait for each addition.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (heads, tails) = ((a.chunks_exact(8), b.chunks_exact(8)), (a.len() / 8 * 8, a.len()));
    for (a, b) in heads.0.zip(heads.1) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    let rest: f64 = (tails.0..tails.1).map(|i| a[i] * b[i]).sum();
    sums.iter().sum::<f64>() + rest
}

/// Turns until nothing is left beside the diagonal.
fn iterate(diagonal: &mut [f64], beside: &mut [f64]) {
    // Two to three turns are enough for each value; what isn't a number never is.
    const MOST: usize = 60;
    for low in 0..diagonal.len() {
        for _ in 0..MOST {
            let small =
                |i: usize| beside[i].abs() <= f64::EPSILON * (diagonal[i].abs() + diagonal[i + 1].abs());
            let high = (low..diagonal.len() - 1).find(|&i| small(i)).unwrap_or(diagonal.len() - 1);
            if high == low {
                break;
            }
            turn(&mut diagonal[low..=high], &mut beside[low..=high]);
        }
    }
}

/// One QL step with implicit shift.
fn turn(d: &mut [f64], e: &mut [f64]) {
    let last = d.len() - 1;
    let half = (d[1] - d[0]) / (2.0 * e[0]);
    let mut g = d[last] - d[0] + e[0] / (half + half.hypot(1.0).copysign(half));
    let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
    for i in (0..last).rev() {
        let (f, b) = (sine * e[i], cosine * e[i]);
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            // It fell into two parts.
            d[i + 1] -= moved;
            e[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / r, g / r);
        g = d[i + 1] - moved;
        let t = (d[i] - g) * sine + 2.0 * cosine * b;
        moved = sine * t;
        d[i + 1] = g + moved;
        g = cosine * t - b;
    }
    d[0] -= moved;
    e[0] = g;
    e[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::{gram, symmetric_eigenvalues};

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn of_the_second_difference() {
        // 2 - 2 cos(k pi / (n + 1)): the string with fixed ends.
        for n in [1_usize, 2, 3, 10, 57] {
            let matrix = (0..n * n)
                .map(|at| match (at / n).abs_diff(at % n) {
                    0 => 2.0,
                    1 => -1.0,
                    _ => 0.0,
                })
                .collect();
            let found = sorted(symmetric_eigenvalues(matrix, n));
            for (k, value) in found.iter().enumerate() {
                let want = 2.0 - 2.0 * ((k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64).cos();
                assert!((value - want).abs() < 1e-13, "{n}: {value} is not {want}");
            }
        }
    }

    #[test]
    fn of_reflected_diagonals() {
        // (I - 2 u u^T) D (I - 2 u u^T) has D's values; some of them are equal, one is 0.
        let n = 40;
        let want: Vec<f64> = (0..n).map(|i| (i / 2) as f64 * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        let raw: Vec<f64> = (0..n).map(|i| ((i * i + 3) as f64).sin()).collect();
        let norm = raw.iter().map(|v| v * v).sum::<f64>().sqrt();
        let reflection =
            |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * raw[i] * raw[j] / (norm * norm);
        let matrix = (0..n * n)
            .map(|at| (0..n).map(|k| reflection(at / n, k) * want[k] * reflection(k, at % n)).sum())
            .collect();
        let found = sorted(symmetric_eigenvalues(matrix, n));
        for (value, want) in found.iter().zip(sorted(want)) {
            // 40 roundings of values up to 20.
            assert!((value - want).abs() < 1e-12, "{value} is not {want}");
        }
    }

    #[test]
    fn a_gram_matrix_is_the_sum_of_products() {
        let (n, width) = (5, 37);
        let matrix: Vec<f64> = (0..n * width).map(|i| ((i * 7) % 13) as f64 - 6.0).collect();
        let found = gram(&matrix, width);
        for i in 0..width {
            for j in 0..width {
                let want: f64 = (0..n).map(|k| matrix[k * width + i] * matrix[k * width + j]).sum();
                assert_eq!(found[i * width + j], want, "({i}, {j})");
            }
        }
    }
}

//! Normalisation of rows, times gain, plus bias.

use crate::{Real, row, vectorised};

/// A row's mean, and the reciprocal of its deviation.
#[inline(always)]
fn moments<T: Real>(x: &[T], eps: T) -> (T, T) {
    let scale = T::ONE / T::of(x.len() as f64);
    let mean = row::sum(x, |v| v) * scale;
    let variance = row::sum(x, |v| (v - mean) * (v - mean)) * scale;
    (mean, T::ONE / (variance + eps).root())
}

vectorised! {
    /// Normalises rows of `gain`'s length.
    pub fn forward<T: Real>(x: &mut [T], gain: &[T], bias: &[T], eps: T) {
        for row in x.chunks_exact_mut(gain.len()) {
            let (mean, scale) = moments(row, eps);
            for ((x, &gain), &bias) in row.iter_mut().zip(gain).zip(bias) {
                *x = (*x - mean) * scale * gain + bias;
            }
        }
    }

    /// Replaces the gradient of the result by that of the rows `x`, and adds to those of gain and bias.
    ///
    /// A row's mean and deviation are found again: that costs less than to keep them.
    pub fn backward<T: Real>(dy: &mut [T], x: &[T], gain: &[T], dgain: &mut [T], dbias: &mut [T], eps: T) {
        let d = gain.len();
        let share = T::ONE / T::of(d as f64);
        // Of one length, which the compiler sees: else each index is looked at.
        let (gain, dgain, dbias) = (&gain[..d], &mut dgain[..d], &mut dbias[..d]);
        for (dy, x) in dy.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            let (mean, scale) = moments(x, eps);
            let (dy, x) = (&mut dy[..d], &x[..d]);
            for i in 0..d {
                dgain[i] += dy[i] * (x[i] - mean) * scale;
                dbias[i] += dy[i];
                dy[i] *= gain[i];
            }
            let shift = row::sum(dy, |v| v) * share;
            let slope = row::sum_with(dy, x, |dy, x| dy * (x - mean)) * scale * scale * share;
            for (dy, &x) in dy.iter_mut().zip(x) {
                *dy = scale * (*dy - shift - (x - mean) * slope);
            }
        }
    }
}

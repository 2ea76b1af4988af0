//! Normalisation over the last axis, times gain, plus bias.

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::row;
use crate::kernels::vectorised::vectorised;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(
    x: Var<E, H>,
    gain: Var<E, H>,
    bias: Var<E, H>,
    eps: f64,
) -> Var<E, H> {
    let (weights, shifts) = (gain.dense.to_vec(), bias.dense.to_vec());
    let y = x.dense.clone().rewrite(weights.len(), &|_, part| forward(part, &weights, &shifts, E::of(eps)));
    let x_dense = x.dense;
    Var::recorded([x.node, gain.node, bias.node], y, move |dy, _| {
        gradients(&dy, &x_dense, &weights, eps).map(Some)
    })
}

/// The gradients of the input, the gain and the bias. A row's mean and deviation are found again:
/// that costs less than to keep them.
fn gradients<E: Real, H: HostEngine<E>>(
    dy: &Dense<E, H>,
    x: &Dense<E, H>,
    gain: &[E],
    eps: f64,
) -> [Dense<E, H>; 3] {
    let d = gain.len();
    let source = x.to_vec();
    let mut dx = dy.to_vec();
    // Each piece has its share of the gradients of gain and bias.
    let shares = pieces::each_with(&mut dx, pieces::piece(d), &|at, part| {
        let mut share = vec![E::ZERO; 2 * d];
        let (dgain, dbias) = share.split_at_mut(d);
        backward(part, &source[at..], gain, dgain, dbias, E::of(eps));
        share
    });
    let mut dgain = pieces::add_up(&shares, 2 * d);
    let dbias = dgain.split_off(d);
    [dy.beside(dx, x.shape().clone()), dy.beside(dgain, [d]), dy.beside(dbias, [d])]
}

#[inline(always)]
fn moments<T: Real>(x: &[T], eps: T) -> (T, T) {
    let scale = T::ONE / T::of(x.len() as f64);
    let mean = row::sum(x, |v| v) * scale;
    let variance = row::sum(x, |v| (v - mean) * (v - mean)) * scale;
    (mean, T::ONE / (variance + eps).root())
}

vectorised! {
    fn forward<T: Real>(x: &mut [T], gain: &[T], bias: &[T], eps: T) {
        for row in x.chunks_exact_mut(gain.len()) {
            let (mean, scale) = moments(row, eps);
            for ((x, &gain), &bias) in row.iter_mut().zip(gain).zip(bias) {
                *x = (*x - mean) * scale * gain + bias;
            }
        }
    }

    fn backward<T: Real>(dy: &mut [T], x: &[T], gain: &[T], dgain: &mut [T], dbias: &mut [T], eps: T) {
        let d = gain.len();
        let share = T::ONE / T::of(d as f64);
        for (dy, x) in dy.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            let (mean, scale) = moments(x, eps);
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

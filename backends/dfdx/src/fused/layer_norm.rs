//! Normalisation over the last axis, times gain, plus bias.

use palimpsest_kernels::{layer_norm, piece};

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(
    x: Var<E, H>,
    gain: Var<E, H>,
    bias: Var<E, H>,
    eps: f64,
) -> Var<E, H> {
    let (weights, shifts) = (gain.dense.to_vec(), bias.dense.to_vec());
    let y = x
        .dense
        .clone()
        .rewrite(weights.len(), &|_, part| layer_norm::forward(part, &weights, &shifts, E::of(eps)));
    let x_dense = x.dense;
    Var::recorded([x.node, gain.node, bias.node], y, move |dy, _| {
        gradients(&dy, &x_dense, &weights, eps).map(Some)
    })
}

/// The gradients of the input, the gain and the bias.
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
    let shares = pieces::each_with(&mut dx, piece::size(d), &|at, part| {
        let mut share = vec![E::ZERO; 2 * d];
        let (dgain, dbias) = share.split_at_mut(d);
        layer_norm::backward(part, &source[at..], gain, dgain, dbias, E::of(eps));
        share
    });
    let mut dgain = piece::add_up(shares.iter().map(Vec::as_slice), 2 * d);
    let dbias = dgain.split_off(d);
    [dy.beside(dx, x.shape().clone()), dy.beside(dgain, [d]), dy.beside(dbias, [d])]
}

//! A step of AdamW (Loshchilov & Hutter, 2019) as PyTorch's torch.optim.AdamW computes it.

use palimpsest_kernels::adamw::{Constants, Rates};
use palimpsest_kernels::{piece, vectorised};

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::real::Real;
use crate::value::Var;

/// What a step reads and changes.
pub(super) struct Inputs<E: Real, H: HostEngine<E>> {
    pub(super) parameter: Var<E, H>,
    pub(super) gradient: Var<E, H>,
    pub(super) first: Var<E, H>,
    pub(super) second: Var<E, H>,
    pub(super) rates: Var<E, H>,
    pub(super) average: Option<Var<E, H>>,
}

/// The parameter, first and second moment, and average after a step.
pub(super) fn step<E: Real, H: HostEngine<E>>(constants: Constants, inputs: Inputs<E, H>) -> Vec<Var<E, H>> {
    let Inputs { parameter, gradient, first, second, rates, average } = inputs;
    let state = [parameter, first, second].into_iter().chain(average).map(|x| x.dense);
    let Some(rates) = Rates::<E>::new(constants, &rates.dense.to_vec()) else {
        return state.map(Var::plain).collect();
    };
    let state: Vec<_> = state.collect();
    let (shape, device) = (state[0].shape().clone(), state[0].device());
    let gradient = gradient.dense.to_vec();
    let mut state = state.into_iter().map(|x| x.to_vec());
    let [mut p, mut m, mut v] = std::array::from_fn(|_| state.next().unwrap_or_default());
    let mut mean = state.next();
    let piece = piece::size(1);
    // One list of pieces of all of them, so that each is rewritten by one task.
    let mut means = mean.iter_mut().flat_map(|mean| mean.chunks_mut(piece));
    let mut parts: Vec<_> = p
        .chunks_mut(piece)
        .zip(m.chunks_mut(piece))
        .zip(v.chunks_mut(piece))
        .map(|((p, m), v)| (p, m, v, means.next()))
        .collect();
    pieces::each(&mut parts, 1, &|at, part| {
        for (p, m, v, mean) in part {
            update(p, &gradient[at * piece..], m, v, rates);
            if let Some(mean) = mean {
                follow(mean, p, rates.average);
            }
        }
    });
    drop(parts);
    let after = [p, m, v].into_iter().chain(mean);
    after.map(|x| Var::plain(Dense::from_vec(&device, x, shape.clone()))).collect()
}

vectorised! {
    fn update<T: Real>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], r: Rates<T>) {
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * r.scale;
            *m = *m * r.beta1 + g * r.rest1;
            *v = *v * r.beta2 + g * g * r.rest2;
            *p = *p * r.shrink - r.step * *m / (v.root() / r.root + r.eps);
        }
    }

    fn follow<T: Real>(mean: &mut [T], p: &[T], weight: T) {
        for (mean, &p) in mean.iter_mut().zip(p) {
            *mean += weight * (p - *mean);
        }
    }
}

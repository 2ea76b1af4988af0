//! A step of AdamW (Loshchilov & Hutter, 2019) as PyTorch's torch.optim.AdamW computes it.

use palimpsest_core::tensor::Op;
use palimpsest_core::{Error, Result};
use palimpsest_kernels::adamw::Rates;
use palimpsest_kernels::{piece, vectorised};

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::real::Real;
use crate::value::Var;

/// The parameter, first and second moment after a step.
///
/// # Errors
/// `op` is another operation.
pub(super) fn step<E: Real, H: HostEngine<E>>(
    op: &Op,
    p: Dense<E, H>,
    [g, m, v]: [Var<E, H>; 3],
) -> Result<Vec<Var<E, H>>> {
    let Op::AdamwStep { lr, beta1, beta2, eps, decay, step, scale } = *op else {
        return Err(Error::failure(format!("{} is no step of AdamW", op.kind().name())));
    };
    let rates = Rates::<E>::new(lr, [beta1, beta2], eps, decay, step, scale);
    let (shape, device) = (p.shape().clone(), p.device());
    let gradient = g.dense.to_vec();
    let [mut p, mut m, mut v] = [p, m.dense, v.dense].map(|x| x.to_vec());
    let piece = piece::size(1);
    // One list of pieces of all three, so that each is rewritten by one task.
    let mut parts: Vec<_> = p.chunks_mut(piece).zip(m.chunks_mut(piece)).zip(v.chunks_mut(piece)).collect();
    pieces::each(&mut parts, 1, &|at, part| {
        for ((p, m), v) in part {
            update(p, &gradient[at * piece..], m, v, rates);
        }
    });
    drop(parts);
    Ok([p, m, v].map(|x| Var::plain(Dense::from_vec(&device, x, shape.clone()))).into())
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
}

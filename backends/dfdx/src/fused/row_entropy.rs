//! -sum p ln p over the last axis, kept; 0 ln 0 = 0.

use palimpsest_kernels::{piece, row_entropy};

use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(p: Var<E, H>) -> Var<E, H> {
    let x = p.dense;
    let n = x.width();
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = 1;
    }
    let elements = x.to_vec();
    let mut out = vec![E::ZERO; shape.iter().product()];
    let group = piece::size(n) / n.max(1);
    pieces::each(&mut out, group, &|at, part| row_entropy::forward(part, &elements[at * n..], n));
    Var::recorded([p.node], x.beside(out, shape), move |dy, _| {
        let gradient = dy.to_vec();
        [Some(x.rewrite(n, &|at, part| row_entropy::backward(part, &gradient[at / n..], n)))]
    })
}

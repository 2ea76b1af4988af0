//! Softmax over the last axis.

use palimpsest_kernels::softmax;

use crate::engine::HostEngine;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(x: Var<E, H>) -> Var<E, H> {
    let n = x.dense.width();
    let y = x.dense.rewrite(n, &|_, part| softmax::forward(part, n));
    Var::recorded([x.node], y.clone(), move |dy, _| {
        let y = y.to_vec();
        [Some(dy.rewrite(n, &|at, part| softmax::backward(part, &y[at..], n)))]
    })
}

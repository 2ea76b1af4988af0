//! Softmax over the last axis.

use crate::engine::HostEngine;
use crate::kernels::row;
use crate::kernels::vectorised::vectorised;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(x: Var<E, H>) -> Var<E, H> {
    let n = x.dense.width();
    let y = x.dense.rewrite(n, &|_, part| forward(part, n));
    Var::recorded([x.node], y.clone(), move |dy, _| {
        let y = y.to_vec();
        [Some(dy.rewrite(n, &|at, part| backward(part, &y[at..], n)))]
    })
}

vectorised! {
    pub(super) fn forward<T: Real>(x: &mut [T], n: usize) {
        for row in x.chunks_exact_mut(n) {
            row::softmax(row);
        }
    }

    /// Replaces the gradient of softmax's result `y` by that of its input.
    pub(super) fn backward<T: Real>(dy: &mut [T], y: &[T], n: usize) {
        for (dy, y) in dy.chunks_exact_mut(n).zip(y.chunks_exact(n)) {
            let shift = row::dot(dy, y);
            for (dy, &y) in dy.iter_mut().zip(y) {
                *dy = y * (*dy - shift);
            }
        }
    }
}

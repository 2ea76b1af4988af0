//! x sigmoid(x)

use crate::engine::HostEngine;
use crate::kernels::vectorised::vectorised;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(x: Var<E, H>) -> Var<E, H> {
    let dense = x.dense;
    let y = dense.clone().rewrite(1, &|_, part| forward(part));
    Var::recorded([x.node], y, move |dy, _| {
        let x = dense.to_vec();
        [Some(dy.rewrite(1, &|at, part| backward(part, &x[at..])))]
    })
}

/// For large -x the exponential is infinite and the result 0, as it should be.
#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exponential())
}

vectorised! {
    fn forward<T: Real>(x: &mut [T]) {
        for x in x {
            *x *= sigmoid(*x);
        }
    }

    fn backward<T: Real>(dy: &mut [T], x: &[T]) {
        for (dy, &x) in dy.iter_mut().zip(x) {
            let s = sigmoid(x);
            *dy *= s * (T::ONE + x * (T::ONE - s));
        }
    }
}

//! Functions of single elements, whose gradients need no more than their inputs.

use palimpsest_kernels::{gelu, silu, vectorised};

use crate::engine::HostEngine;
use crate::real::Real;
use crate::value::Var;

/// x Phi(x), with the exact normal distribution function. dfdx's own has a wrong derivative.
pub(super) fn gelu<E: Real, H: HostEngine<E>>(x: Var<E, H>) -> Var<E, H> {
    run(x, gelu::forward, gelu::backward)
}

/// x sigmoid(x)
pub(super) fn silu<E: Real, H: HostEngine<E>>(x: Var<E, H>) -> Var<E, H> {
    run(x, times_sigmoid, silu::backward)
}

/// `forward` replaces elements by their images, `backward` the gradient of the result by that of the elements.
fn run<E: Real, H: HostEngine<E>>(
    x: Var<E, H>,
    forward: fn(&mut [E]),
    backward: fn(&mut [E], &[E]),
) -> Var<E, H> {
    let dense = x.dense;
    let y = dense.clone().rewrite(1, &|_, part| forward(part));
    Var::recorded([x.node], y, move |dy, _| {
        let x = dense.to_vec();
        [Some(dy.rewrite(1, &|at, part| backward(part, &x[at..])))]
    })
}

vectorised! {
    fn times_sigmoid<T: Real>(x: &mut [T]) {
        for x in x {
            *x *= T::ONE / (T::ONE + (-*x).exponential());
        }
    }
}

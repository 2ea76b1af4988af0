//! a + weight (b - a)

use crate::engine::HostEngine;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(a: Var<E, H>, b: Var<E, H>, weight: f64) -> Var<E, H> {
    let other = b.dense.into_flat();
    let y = a.dense.map(|mut a| {
        // In a's memory where no one else holds it.
        a.axpy(1.0 - weight, &other, weight);
        a
    });
    Var::recorded([a.node, b.node], y, move |dy, wanted| {
        [wanted[0].then(|| dy.clone().scale(1.0 - weight)), wanted[1].then(|| dy.scale(weight))]
    })
}

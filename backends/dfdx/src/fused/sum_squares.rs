//! The sum of squares, added up in f64.

use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::row;
use crate::kernels::vectorised::vectorised;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(x: Var<E, H>) -> Var<E, H> {
    let dense = x.dense;
    let elements = dense.to_vec();
    let piece = pieces::piece(1);
    let parts = pieces::collect(elements.len().div_ceil(piece), &|i| {
        squares(&elements[i * piece..elements.len().min((i + 1) * piece)])
    });
    let y = dense.beside(vec![E::of(parts.iter().sum())], []);
    Var::recorded([x.node], y, move |dy, _| [Some(dense.times(dy).scale(2.0))])
}

vectorised! {
    fn squares<T: Real>(x: &[T]) -> f64 {
        // Short runs in the element type keep the lanes full; their rounding is far below 1e-6.
        x.chunks(256).map(|run| row::dot(run, run).wide()).sum()
    }
}

//! The sum of squares, added up in f64.

use palimpsest_kernels::{piece, sum_squares};

use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(x: Var<E, H>) -> Var<E, H> {
    let dense = x.dense;
    let elements = dense.to_vec();
    let piece = piece::size(1);
    let parts = pieces::collect(elements.len().div_ceil(piece), &|i| {
        sum_squares::sum(&elements[i * piece..elements.len().min((i + 1) * piece)])
    });
    let y = dense.beside(vec![E::of(parts.iter().sum())], []);
    Var::recorded([x.node], y, move |dy, _| [Some(dense.times(dy).scale(2.0))])
}

//! x weight^T + bias

use palimpsest_core::Shape;
use palimpsest_kernels::{linear, piece};

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::product::{Matrix, product, turned};
use crate::real::Real;
use crate::value::Var;

pub(super) fn run<E: Real, H: HostEngine<E>>(
    x: Var<E, H>,
    weight: Var<E, H>,
    bias: Option<Var<E, H>>,
) -> Var<E, H> {
    let (bias, to_bias) = bias.map_or((None, None), |bias| (Some(bias.dense), bias.node));
    let nodes = vec![x.node, weight.node, to_bias];
    let (x, weight) = (x.dense, weight.dense);
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = weight.shape()[0];
    }
    let (rows, columns) = (x.matrix(), weight.matrix());
    let mut y = product(rows.clone(), turned(columns.clone()));
    if let Some(bias) = bias {
        let bias = bias.to_vec();
        pieces::each(&mut y, piece::size(bias.len()), &|_, part| linear::add_bias(part, &bias));
    }
    let operands = [
        Operand { matrix: rows, shape: x.shape().clone() },
        Operand { matrix: columns, shape: weight.shape().clone() },
    ];
    Var::recorded_many(nodes, x.beside(y, shape), move |dy, wanted| gradients(&dy, operands, wanted))
}

/// A factor of the product, and the shape of its tensor.
struct Operand<E: Real, H: HostEngine<E>> {
    matrix: Matrix<E, H>,
    shape: Shape,
}

fn gradients<E: Real, H: HostEngine<E>>(
    dy: &Dense<E, H>,
    [x, weight]: [Operand<E, H>; 2],
    wanted: &[bool],
) -> Vec<Option<Dense<E, H>>> {
    let gradient = dy.matrix();
    let outputs = weight.shape[0];
    let dx = wanted[0].then(|| dy.beside(product(gradient.clone(), weight.matrix), x.shape));
    let dweight = wanted[1].then(|| dy.beside(product(turned(gradient), x.matrix), weight.shape));
    let dbias = wanted[2].then(|| {
        let rows = dy.count().checked_div(outputs).unwrap_or(0);
        dy.clone().reshape([rows, outputs]).sum(&[0]).reshape([outputs])
    });
    vec![dx, dweight, dbias]
}

//! Attention probabilities applied to packed values.

use palimpsest_kernels::attention::Sizes;

use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::product::{matrix, product, turned};
use crate::real::Real;
use crate::value::Var;

use super::heads::HeadLayout;

pub(super) fn run<E: Real, H: HostEngine<E>>(p: Var<E, H>, qkv: Var<E, H>, heads: usize) -> Var<E, H> {
    let nodes = [p.node, qkv.node];
    let (p, qkv) = (p.dense, qkv.dense);
    let shapes = [p.shape().clone(), qkv.shape().clone()];
    let sizes = Sizes::packed(&shapes[1], heads);
    let (values, target) = (HeadLayout::packed(sizes, 2), HeadLayout::alone(sizes, sizes.queries));
    let device = qkv.device();
    let (n, m, scores) = (sizes.queries, sizes.keys, sizes.scores());
    let probabilities = p.to_vec();
    let elements = qkv.to_vec();
    let tasks: Vec<Vec<E>> = pieces::collect(sizes.tasks(), &|task| {
        let p = probabilities[task * scores..(task + 1) * scores].to_vec();
        product(matrix(&device, p, n, m), values.head(&device, &elements, task, 1.0))
    });
    let mut out = vec![E::ZERO; tasks.len() * n * sizes.width];
    target.assemble(&mut out, &tasks, |task| task);
    let y = qkv.beside(out, [sizes.batch, n, heads * sizes.width]);
    Var::recorded(nodes, y, move |dy, wanted| {
        let [p_shape, qkv_shape] = shapes;
        let gradient = dy.to_vec();
        let dp = wanted[0].then(|| {
            let elements = qkv.to_vec();
            let mut dp = vec![E::ZERO; p_shape.count()];
            pieces::each(&mut dp, scores, &|at, part| {
                let v = values.head(&device, &elements, at / scores, 1.0);
                let dy = target.head(&device, &gradient, at / scores, 1.0);
                part.copy_from_slice(&product(dy, turned(v)));
            });
            dy.beside(dp, p_shape)
        });
        let dqkv = wanted[1].then(|| {
            let probabilities = p.to_vec();
            let tasks: Vec<Vec<E>> = pieces::collect(sizes.tasks(), &|task| {
                let p = probabilities[task * scores..(task + 1) * scores].to_vec();
                let dy = target.head(&device, &gradient, task, 1.0);
                product(turned(matrix(&device, p, n, m)), dy)
            });
            let mut dqkv = vec![E::ZERO; qkv_shape.count()];
            values.assemble(&mut dqkv, &tasks, |task| task);
            dy.beside(dqkv, qkv_shape)
        });
        [dp, dqkv]
    })
}

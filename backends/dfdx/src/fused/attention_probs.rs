//! Attention probabilities of packed queries and keys, for losses that look at them.

use palimpsest_kernels::attention::Sizes;
use palimpsest_kernels::softmax;

use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::product::{matrix, product, turned};
use crate::real::Real;
use crate::value::Var;

use super::attention::{parts, probabilities};
use super::heads::HeadLayout;

pub(super) fn run<E: Real, H: HostEngine<E>>(
    qkv: Var<E, H>,
    bias: Option<Var<E, H>>,
    heads: usize,
) -> Var<E, H> {
    let shape = qkv.dense.shape().clone();
    let sizes = Sizes::packed(&shape, heads);
    let layouts = [0, 1].map(|which| HeadLayout::packed(sizes, which));
    let (bias, to_bias) = parts(bias);
    let nodes = [qkv.node, to_bias];
    let qkv = qkv.dense;
    let elements = qkv.to_vec();
    let device = qkv.device();
    let scores = sizes.scores();
    let mut p = vec![E::ZERO; sizes.tasks() * scores];
    pieces::each(&mut p, scores, &|at, part| {
        let task = at / scores;
        let q = layouts[0].head(&device, &elements, task, sizes.scale());
        let k = layouts[1].head(&device, &elements, task, 1.0);
        part.copy_from_slice(&probabilities(sizes, task, q, k, bias.as_ref()).0);
    });
    let p = qkv.beside(p, [sizes.batch, heads, sizes.queries, sizes.keys]);
    Var::recorded(nodes, p.clone(), move |dy, wanted| {
        let (n, m) = (sizes.queries, sizes.keys);
        let (elements, p, dy_elements) = (qkv.to_vec(), p.to_vec(), dy.to_vec());
        let tasks: Vec<[Vec<E>; 3]> = pieces::collect(sizes.tasks(), &|task| {
            let range = task * scores..(task + 1) * scores;
            let mut ds = dy_elements[range.clone()].to_vec();
            softmax::backward(&mut ds, &p[range], m);
            let logits = if bias.is_some() { ds.clone() } else { Vec::new() };
            let q = layouts[0].head(&device, &elements, task, sizes.scale());
            let k = layouts[1].head(&device, &elements, task, sizes.scale());
            let ds = matrix(&device, ds, n, m);
            [product(ds.clone(), k), product(turned(ds), q), logits]
        });
        let mut gradient = vec![E::ZERO; shape.count()];
        layouts[0].assemble(&mut gradient, &tasks, |task| &task[0]);
        layouts[1].assemble(&mut gradient, &tasks, |task| &task[1]);
        let dbias = bias.as_ref().filter(|_| wanted[1]);
        let dbias = dbias.map(|bias| bias.gradient(&device, sizes, &tasks, |task| &task[2]));
        [Some(dy.beside(gradient, shape)), dbias]
    })
}

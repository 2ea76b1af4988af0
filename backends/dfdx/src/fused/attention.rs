//! Attention without the probabilities in memory: a score matrix lives as long as its head's task.
//! The backward pass finds it again from the logarithms of the rows' sums.

use std::sync::Arc;

use palimpsest_core::Shape;
use palimpsest_kernels::attention::{self, Sizes, score_gradients};
use palimpsest_kernels::row;

use crate::dense::Dense;
use crate::engine::HostEngine;
use crate::kernels::pieces;
use crate::kernels::product::{Matrix, matrix, product, turned};
use crate::real::Real;
use crate::tape::Node;
use crate::value::Var;

use super::heads::{Bias, HeadLayout};

/// Attention of queries to keys and values in tensors of their own.
pub(super) fn separate<E: Real, H: HostEngine<E>>(
    q: Var<E, H>,
    k: Var<E, H>,
    v: Var<E, H>,
    bias: Option<Var<E, H>>,
    heads: usize,
) -> Var<E, H> {
    let sizes = Sizes::separate(q.dense.shape(), k.dense.shape(), heads);
    let layouts = [sizes.queries, sizes.keys, sizes.keys].map(|rows| HeadLayout::alone(sizes, rows));
    let (bias, to_bias) = parts(bias);
    let nodes = vec![q.node, k.node, v.node, to_bias];
    let operands = vec![q.dense, k.dense, v.dense];
    let shapes: Vec<Shape> = operands.iter().map(|x| x.shape().clone()).collect();
    let saved = Saved { sizes, layouts, operands, bias };
    let (out, sums) = saved.forward();
    Var::recorded_many(nodes, out.clone(), move |dy, wanted| {
        let tasks = saved.backward(&dy, &out, &sums);
        let picks: [Pick<E>; 3] = [|t| &t.q, |t| &t.k, |t| &t.v];
        let mut gradients = Vec::with_capacity(4);
        for ((shape, device), pick) in shapes.into_iter().zip(saved.layouts).zip(picks) {
            let mut gradient = vec![E::ZERO; shape.count()];
            device.assemble(&mut gradient, &tasks, pick);
            gradients.push(Some(dy.beside(gradient, shape)));
        }
        gradients.push(if wanted[3] { saved.bias_gradient(&dy, &tasks) } else { None });
        gradients
    })
}

/// Self-attention of packed queries, keys and values.
pub(super) fn packed<E: Real, H: HostEngine<E>>(
    qkv: Var<E, H>,
    bias: Option<Var<E, H>>,
    heads: usize,
) -> Var<E, H> {
    let shape = qkv.dense.shape().clone();
    let sizes = Sizes::packed(&shape, heads);
    let layouts = [0, 1, 2].map(|which| HeadLayout::packed(sizes, which));
    let (bias, to_bias) = parts(bias);
    let nodes = [qkv.node, to_bias];
    let operands = vec![qkv.dense];
    let saved = Saved { sizes, layouts, operands, bias };
    let (out, sums) = saved.forward();
    Var::recorded(nodes, out.clone(), move |dy, wanted| {
        let tasks = saved.backward(&dy, &out, &sums);
        let mut gradient = vec![E::ZERO; shape.count()];
        saved.layouts[0].assemble(&mut gradient, &tasks, |t: &Gradients<E>| &t.q);
        saved.layouts[1].assemble(&mut gradient, &tasks, |t| &t.k);
        saved.layouts[2].assemble(&mut gradient, &tasks, |t| &t.v);
        let dbias = if wanted[1] { saved.bias_gradient(&dy, &tasks) } else { None };
        [Some(dy.beside(gradient, shape)), dbias]
    })
}

/// A bias and its place in the history.
pub(super) fn parts<E: Real, H: HostEngine<E>>(
    bias: Option<Var<E, H>>,
) -> (Option<Bias<E>>, Option<Arc<Node<H>>>) {
    bias.map_or((None, None), |bias| (Some(Bias::new(&bias.dense)), bias.node))
}

/// softmax(scale q k^T + bias) of one task's heads, and the logarithms of the rows' sums.
pub(super) fn probabilities<E: Real, H: HostEngine<E>>(
    sizes: Sizes,
    task: usize,
    scaled_q: Matrix<E, H>,
    k: Matrix<E, H>,
    bias: Option<&Bias<E>>,
) -> (Vec<E>, Vec<E>) {
    let mut scores = logits(sizes, task, scaled_q, k, bias);
    let mut sums = vec![E::ZERO; sizes.queries];
    attention::probabilities(&mut scores, &mut sums, sizes.keys);
    (scores, sums)
}

fn logits<E: Real, H: HostEngine<E>>(
    sizes: Sizes,
    task: usize,
    scaled_q: Matrix<E, H>,
    k: Matrix<E, H>,
    bias: Option<&Bias<E>>,
) -> Vec<E> {
    let mut scores = product(scaled_q, turned(k));
    if let Some(bias) = bias {
        bias.add(sizes, task, &mut scores);
    }
    scores
}

/// What the backward pass needs.
struct Saved<E: Real, H: HostEngine<E>> {
    sizes: Sizes,
    layouts: [HeadLayout; 3],
    /// q, k and v, or all in one.
    operands: Vec<Dense<E, H>>,
    bias: Option<Bias<E>>,
}

/// Gradients of one task's heads.
struct Gradients<E> {
    q: Vec<E>,
    k: Vec<E>,
    v: Vec<E>,
    logits: Vec<E>,
}

/// One of them.
type Pick<E> = fn(&Gradients<E>) -> &[E];

impl<E: Real, H: HostEngine<E>> Saved<E, H> {
    /// The result [b, n, d], and the logarithms of the rows' sums by task.
    fn forward(&self) -> (Dense<E, H>, Vec<Vec<E>>) {
        let Self { sizes, layouts, bias, .. } = self;
        let device = &self.operands[0].device();
        let elements: Vec<Vec<E>> = self.operands.iter().map(Dense::to_vec).collect();
        let data = |i: usize| elements[i.min(elements.len() - 1)].as_slice();
        let tasks: Vec<(Vec<E>, Vec<E>)> = pieces::collect(sizes.tasks(), &|task| {
            let q = layouts[0].head(device, data(0), task, sizes.scale());
            let k = layouts[1].head(device, data(1), task, 1.0);
            let v = layouts[2].head(device, data(2), task, 1.0);
            let (p, sums) = probabilities(*sizes, task, q, k, bias.as_ref());
            (product(matrix(device, p, sizes.queries, sizes.keys), v), sums)
        });
        let mut out = vec![E::ZERO; tasks.len() * sizes.queries * sizes.width];
        HeadLayout::alone(*sizes, sizes.queries).assemble(&mut out, &tasks, |task| &task.0);
        let shape = [sizes.batch, sizes.queries, sizes.heads * sizes.width];
        (Dense::from_vec(device, out, shape), tasks.into_iter().map(|(_, sums)| sums).collect())
    }

    fn backward(&self, dy: &Dense<E, H>, out: &Dense<E, H>, sums: &[Vec<E>]) -> Vec<Gradients<E>> {
        let Self { sizes, layouts, bias, .. } = self;
        let device = &dy.device();
        let elements: Vec<Vec<E>> = self.operands.iter().map(Dense::to_vec).collect();
        let data = |i: usize| elements[i.min(elements.len() - 1)].as_slice();
        let (dy, out) = (dy.to_vec(), out.to_vec());
        let target = HeadLayout::alone(*sizes, sizes.queries);
        let (n, m) = (sizes.queries, sizes.keys);
        pieces::collect(sizes.tasks(), &|task| {
            let q = layouts[0].head(device, data(0), task, sizes.scale());
            let k = layouts[1].head(device, data(1), task, 1.0);
            let v = layouts[2].head(device, data(2), task, 1.0);
            let gradient = target.head(device, &dy, task, 1.0);
            let mut p = logits(*sizes, task, q.clone(), k.clone(), bias.as_ref());
            let mut ds = product(gradient.clone(), turned(v));
            let pairs = target.rows(&dy, task).zip(target.rows(&out, task));
            let shifts: Vec<E> = pairs.map(|(dy, y)| row::dot(dy, y)).collect();
            score_gradients(&mut p, &mut ds, &sums[task], &shifts, m);
            let logits = if bias.is_some() { ds.clone() } else { Vec::new() };
            let (p, ds) = (matrix(device, p, n, m), matrix(device, ds, n, m));
            let mut dq = product(ds.clone(), k);
            for x in &mut dq {
                *x *= E::of(sizes.scale());
            }
            // q is scaled already.
            Gradients { q: dq, k: product(turned(ds), q), v: product(turned(p), gradient), logits }
        })
    }

    fn bias_gradient(&self, dy: &Dense<E, H>, tasks: &[Gradients<E>]) -> Option<Dense<E, H>> {
        let bias = self.bias.as_ref()?;
        Some(bias.gradient(&dy.device(), self.sizes, tasks, |task| &task.logits))
    }
}

//! Attention without the probabilities in memory: a score matrix lives as long as its head's task.
//! The backward pass finds it again from the logarithms of the rows' sums.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::attention::{Sizes, dot, probabilities, score_gradients};

use super::head::{Bias, HeadLayout};
use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, Shared, dense, multiplied, slice, unwritten};
use crate::kernels::gemm::{Destination, Matrix};
use crate::kernels::real::Factor;
use crate::value::{burn_shape, extents};

/// Attention of queries to keys and values in tensors of their own.
pub(super) fn separate(q: Float, k: Float, v: Float, bias: Option<Float>, heads: usize) -> Float {
    let Operands { tensors: [q, k, v, bias], nodes } = Operands::new([Some(q), Some(k), Some(v), bias]);
    let [q, k, v] = [q, k, v].map(|t| dense(t.expect("given above")));
    let sizes = Sizes::separate(&extents(&q), &extents(&k), heads);
    let layouts = [
        HeadLayout::alone(sizes, sizes.queries),
        HeadLayout::alone(sizes, sizes.keys),
        HeadLayout::alone(sizes, sizes.keys),
    ];
    let bias = bias.map(Bias::new);
    let (out, sums) = multiplied!(q, T => forward::<T>(sizes, [&q, &k, &v], layouts, bias.as_ref()));
    finish(nodes, SeparateBackward, out, |out| Saved {
        sizes,
        operands: vec![q, k, v],
        bias,
        out: out.clone(),
        sums,
    })
}

/// Self-attention of packed queries, keys and values.
pub(super) fn packed(qkv: Float, bias: Option<Float>, heads: usize) -> Float {
    let Operands { tensors: [qkv, bias], nodes } = Operands::new([Some(qkv), bias]);
    let qkv = dense(qkv.expect("given above"));
    let sizes = Sizes::packed(&extents(&qkv), heads);
    let layouts = [0, 1, 2].map(|which| HeadLayout::packed(sizes, which));
    let bias = bias.map(Bias::new);
    let (out, sums) = multiplied!(qkv, T => forward::<T>(sizes, [&qkv; 3], layouts, bias.as_ref()));
    finish(nodes, PackedBackward, out, |out| Saved {
        sizes,
        operands: vec![qkv],
        bias,
        out: out.clone(),
        sums,
    })
}

#[derive(Debug, Clone)]
struct Saved {
    sizes: Sizes,
    /// q, k and v, or all in one.
    operands: Vec<FlexTensor>,
    bias: Option<Bias>,
    out: FlexTensor,
    /// Logarithms of the rows' sums of exponentials [b, h, n].
    sums: FlexTensor,
}

#[derive(Debug)]
struct SeparateBackward;

impl Backward<Flex, 4> for SeparateBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let saved = ops.state;
        let dout = dense(grads.consume::<Flex>(&ops.node));
        let sizes = saved.sizes;
        let [to_q, to_k, to_v, to_bias] = ops.parents;
        let (gradients, dbias) = multiplied!(dout, T => {
            let [queries, keys] = [sizes.queries, sizes.keys];
            let layouts = [queries, keys, keys].map(|rows| HeadLayout::alone(sizes, rows));
            // SAFETY: the tasks write every head of all three.
            let mut buffers = layouts.map(|_| Vec::<T>::new());
            for (buffer, rows) in buffers.iter_mut().zip([queries, keys, keys]) {
                // SAFETY: the tasks write every head.
                *buffer = unsafe { unwritten::<T>(sizes.batch * rows * sizes.dimension()) };
            }
            let [dq, dk, dv] = &mut buffers;
            let shared = [Shared::new(dq), Shared::new(dk), Shared::new(dv)];
            let [q, k, v] = [&saved.operands[0], &saved.operands[1], &saved.operands[2]];
            let dbias = backward::<T>(&saved, [q, k, v], &dout, layouts, shared, to_bias.is_some());
            let shapes = [q, k, v].map(|t| t.layout().shape().clone());
            let tensors: Vec<FlexTensor> =
                buffers.into_iter().zip(shapes).map(|(buffer, shape)| buffer::tensor(buffer, shape)).collect();
            (tensors, dbias)
        });
        let gradients = gradients.into_iter().map(Some).chain([dbias]);
        for (parent, gradient) in [to_q, to_k, to_v, to_bias].into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct PackedBackward;

impl Backward<Flex, 2> for PackedBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let saved = ops.state;
        let dout = dense(grads.consume::<Flex>(&ops.node));
        let [to_qkv, to_bias] = ops.parents;
        let (dqkv, dbias) = multiplied!(dout, T => {
            let qkv = &saved.operands[0];
            let layouts = [0, 1, 2].map(|which| HeadLayout::packed(saved.sizes, which));
            // SAFETY: the tasks write every head of queries, keys and values.
            let mut dqkv = unsafe { unwritten::<T>(qkv.layout().num_elements()) };
            let shared = Shared::new(&mut dqkv);
            let dbias = backward::<T>(&saved, [qkv; 3], &dout, layouts, [shared; 3], to_bias.is_some());
            (buffer::tensor(dqkv, qkv.layout().shape().clone()), dbias)
        });
        if let Some(parent) = to_qkv {
            grads.register::<Flex>(parent.id, dqkv);
        }
        if let (Some(parent), Some(dbias)) = (to_bias, dbias) {
            grads.register::<Flex>(parent.id, dbias);
        }
    }
}

/// The result [b, n, d], and the logarithms of the rows' sums.
fn forward<T: Factor>(
    sizes: Sizes,
    operands: [&FlexTensor; 3],
    layouts: [HeadLayout; 3],
    bias: Option<&Bias>,
) -> (FlexTensor, FlexTensor) {
    let [q, k, v]: [&[T]; 3] = operands.map(slice);
    let target = HeadLayout::alone(sizes, sizes.queries);
    // SAFETY: the tasks write every head, and every row's sum.
    let (mut out, mut sums) = unsafe {
        (
            unwritten::<T>(sizes.batch * sizes.queries * sizes.dimension()),
            unwritten::<T::Wide>(sizes.tasks() * sizes.queries),
        )
    };
    let (shared, shared_sums) = (Shared::new(&mut out), Shared::new(&mut sums));
    buffer::parallel(sizes.tasks(), &|task| {
        let mut scores = logits::<T>(sizes, layouts[0].head(q, task), layouts[1].head(k, task), bias, task);
        // SAFETY: each task has rows of its own in both results.
        unsafe {
            let sums = std::slice::from_raw_parts_mut(shared_sums.at(task * sizes.queries), sizes.queries);
            probabilities(&mut scores, sums, sizes.keys);
            let scores = T::narrowed(&scores);
            let scores = Matrix::dense(&scores, sizes.queries, sizes.keys);
            target.write(shared, task, 1.0, scores, layouts[2].head(v, task));
        }
    });
    let shape = burn_shape(&[sizes.batch, sizes.queries, sizes.dimension()]);
    let rows = burn_shape(&[sizes.batch, sizes.heads, sizes.queries]);
    (buffer::tensor(out, shape), buffer::tensor(sums, rows))
}

/// scale q k^T + bias, for one task.
pub(super) fn logits<T: Factor>(
    sizes: Sizes,
    q: Matrix<'_, T>,
    k: Matrix<'_, T>,
    bias: Option<&Bias>,
    task: usize,
) -> Vec<T::Wide> {
    // SAFETY: the product writes every element.
    let mut scores = unsafe { unwritten::<T::Wide>(sizes.scores()) };
    let to = Destination { out: scores.as_mut_ptr(), row: sizes.keys, scale: sizes.scale() };
    // SAFETY: as large as the product, and no one else's.
    unsafe { T::wide_product(to, q, k.transposed()) };
    if let Some(bias) = bias {
        bias.add(sizes, task, &mut scores);
    }
    scores
}

/// Writes the gradients of q, k and v to `shared`; returns that of the bias, if it is wanted.
fn backward<T: Factor>(
    saved: &Saved,
    operands: [&FlexTensor; 3],
    dout: &FlexTensor,
    layouts: [HeadLayout; 3],
    shared: [Shared<T>; 3],
    wants_bias: bool,
) -> Option<FlexTensor> {
    let sizes = saved.sizes;
    let [q, k, v]: [&[T]; 3] = operands.map(slice);
    let (out, sums, dout): (&[T], &[T::Wide], &[T]) = (slice(&saved.out), slice(&saved.sums), slice(dout));
    let target = HeadLayout::alone(sizes, sizes.queries);
    let bias = saved.bias.as_ref();
    // SAFETY: each task writes its own scores.
    let mut dlogits = wants_bias.then(|| unsafe { unwritten::<T::Wide>(sizes.tasks() * sizes.scores()) });
    let shared_logits = dlogits.as_mut().map(|elements| Shared::new(elements));
    buffer::parallel(sizes.tasks(), &|task| {
        let [q, k, v] = [layouts[0].head(q, task), layouts[1].head(k, task), layouts[2].head(v, task)];
        let gradient = target.head(dout, task);
        let mut p = logits::<T>(sizes, q, k, bias, task);
        // SAFETY: the product writes every element.
        let mut ds = unsafe { unwritten::<T::Wide>(sizes.scores()) };
        // SAFETY: `ds` is as large as the product, and each task writes heads of its own.
        unsafe {
            let to = Destination { out: ds.as_mut_ptr(), row: sizes.keys, scale: 1.0 };
            T::wide_product(to, gradient, v.transposed());
            let wide = |data, i| T::widened(target.row(data, task, i));
            let shifts: Vec<T::Wide> =
                (0..sizes.queries).map(|i| dot(&wide(dout, i), &wide(out, i))).collect();
            let sums = &sums[task * sizes.queries..(task + 1) * sizes.queries];
            score_gradients(&mut p, &mut ds, sums, &shifts, sizes.keys);
            let (p, rounded) = (T::narrowed(&p), T::narrowed(&ds));
            let p = Matrix::dense(&p, sizes.queries, sizes.keys);
            let matrix = Matrix::dense(&rounded, sizes.queries, sizes.keys);
            layouts[0].write(shared[0], task, sizes.scale(), matrix, k);
            layouts[1].write(shared[1], task, sizes.scale(), matrix.transposed(), q);
            layouts[2].write(shared[2], task, 1.0, p.transposed(), gradient);
            if let Some(shared) = shared_logits {
                let at = shared.at(task * sizes.scores());
                std::slice::from_raw_parts_mut(at, sizes.scores()).copy_from_slice(&ds);
            }
        }
    });
    let shape = burn_shape(&[sizes.batch, sizes.heads, sizes.queries, sizes.keys]);
    dlogits.zip(bias).map(|(elements, bias)| bias.gradient(buffer::tensor(elements, shape)))
}

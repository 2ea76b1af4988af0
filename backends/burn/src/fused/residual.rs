//! x + y * gain * keep: a residual branch with LayerScale and drop path.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::{piece, row, vectorised};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, dense, replace, slice, typed, width};
use crate::kernels::real::Real;
use crate::value::extents;

pub(super) fn run(x: Float, y: Float, gain: Option<Float>, keep: Option<Float>) -> Float {
    let Operands { tensors, nodes } = Operands::new([Some(x), Some(y), gain, keep]);
    let [x, y, gain, keep] = tensors.map(|t| t.map(dense));
    let (x, y) = (x.expect("given above"), y.expect("given above"));
    let d = width(&x);
    let per_sample = extents(&x)[1] * d;
    let out = typed!(x, T => {
        let (y, gain, keep): (&[T], Option<&[T]>, Option<&[T]>) =
            (slice(&y), gain.as_ref().map(slice), keep.as_ref().map(slice));
        replace::<T>(x, d, |at, part| forward(part, &y[at..at + part.len()], gain, keep, at, per_sample, d))
    });
    finish(nodes, ResidualBackward, out, |_| Branch { y, gain, keep })
}

#[derive(Debug)]
struct ResidualBackward;

#[derive(Debug, Clone)]
struct Branch {
    y: FlexTensor,
    gain: Option<FlexTensor>,
    keep: Option<FlexTensor>,
}

impl Backward<Flex, 4> for ResidualBackward {
    type State = Branch;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let branch = ops.state;
        let dout = dense(grads.consume::<Flex>(&ops.node));
        let [to_x, to_y, to_gain, to_keep] = ops.parents;
        if let (Some(parent), Some(gain)) = (to_gain, &branch.gain) {
            let gradient = typed!(dout, T => gain_gradient::<T>(&dout, &branch, gain));
            grads.register::<Flex>(parent.id, gradient);
        }
        if let (Some(parent), Some(keep)) = (to_keep, &branch.keep) {
            let gradient = typed!(dout, T => keep_gradient::<T>(&dout, &branch, keep));
            grads.register::<Flex>(parent.id, gradient);
        }
        if let Some(parent) = to_x {
            grads.register::<Flex>(parent.id, dout.clone());
        }
        if let Some(parent) = to_y {
            let scaled = branch.gain.is_some() || branch.keep.is_some();
            let gradient = if scaled { typed!(dout, T => branch_gradient::<T>(dout, &branch)) } else { dout };
            grads.register::<Flex>(parent.id, gradient);
        }
    }
}

fn branch_gradient<T: Real>(dout: FlexTensor, branch: &Branch) -> FlexTensor {
    let d = width(&dout);
    let per_sample = extents(&dout)[1] * d;
    let (gain, keep): (Option<&[T]>, Option<&[T]>) =
        (branch.gain.as_ref().map(slice), branch.keep.as_ref().map(slice));
    replace::<T>(dout, d, |at, part| scale(part, gain, keep, at, per_sample, d))
}

fn gain_gradient<T: Real>(dout: &FlexTensor, branch: &Branch, gain: &FlexTensor) -> FlexTensor {
    let d = width(dout);
    let per_sample = extents(dout)[1] * d;
    let (values, y): (&[T], &[T]) = (slice(dout), slice(&branch.y));
    let keep: Option<&[T]> = branch.keep.as_ref().map(slice);
    let piece = piece::size(d);
    let parts = buffer::collect(values.len().div_ceil(piece), |i| {
        let range = i * piece..values.len().min((i + 1) * piece);
        let mut sum = vec![T::ZERO; d];
        add_products(&mut sum, &values[range.clone()], &y[range], keep, i * piece, per_sample);
        sum
    });
    buffer::tensor(piece::add_up(parts.iter().map(Vec::as_slice), d), gain.layout().shape().clone())
}

fn keep_gradient<T: Real>(dout: &FlexTensor, branch: &Branch, keep: &FlexTensor) -> FlexTensor {
    let d = width(dout);
    let per_sample = extents(dout)[1] * d;
    let (values, y): (&[T], &[T]) = (slice(dout), slice(&branch.y));
    let gain: Option<&[T]> = branch.gain.as_ref().map(slice);
    let samples = extents(dout)[0];
    let sums = buffer::collect(samples, |i| {
        let range = i * per_sample..(i + 1) * per_sample;
        sum_of_products(&values[range.clone()], &y[range], gain, d)
    });
    buffer::tensor(sums, keep.layout().shape().clone())
}

#[inline(always)]
fn kept<T: palimpsest_kernels::Real>(keep: Option<&[T]>, sample: usize) -> T {
    keep.map_or(T::ONE, |keep| keep[sample])
}

vectorised! {
    fn forward<T: Real>(
        x: &mut [T], y: &[T], gain: Option<&[T]>, keep: Option<&[T]>, at: usize, per_sample: usize, d: usize,
    ) {
        for (i, (x, y)) in x.chunks_exact_mut(d).zip(y.chunks_exact(d)).enumerate() {
            let keep = kept(keep, (at + i * d) / per_sample);
            match gain {
                Some(gain) => {
                    for ((x, &y), &gain) in x.iter_mut().zip(y).zip(gain) {
                        *x += y * (gain * keep);
                    }
                }
                None => {
                    for (x, &y) in x.iter_mut().zip(y) {
                        *x += y * keep;
                    }
                }
            }
        }
    }

    fn scale<T: Real>(
        y: &mut [T], gain: Option<&[T]>, keep: Option<&[T]>, at: usize, per_sample: usize, d: usize,
    ) {
        for (i, y) in y.chunks_exact_mut(d).enumerate() {
            let keep = kept(keep, (at + i * d) / per_sample);
            match gain {
                Some(gain) => {
                    for (y, &gain) in y.iter_mut().zip(gain) {
                        *y *= gain * keep;
                    }
                }
                None => {
                    for y in y {
                        *y *= keep;
                    }
                }
            }
        }
    }

    fn add_products<T: Real>(
        sum: &mut [T], a: &[T], b: &[T], keep: Option<&[T]>, at: usize, per_sample: usize,
    ) {
        let d = sum.len();
        for (i, (a, b)) in a.chunks_exact(d).zip(b.chunks_exact(d)).enumerate() {
            let keep = kept(keep, (at + i * d) / per_sample);
            for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
                *sum += a * b * keep;
            }
        }
    }

    fn sum_of_products<T: Real>(a: &[T], b: &[T], gain: Option<&[T]>, d: usize) -> T {
        let mut total = T::ZERO;
        for (a, b) in a.chunks_exact(d).zip(b.chunks_exact(d)) {
            total += match gain {
                Some(gain) => {
                    a.iter().zip(b).zip(gain).map(|((&a, &b), &gain)| a * b * gain).sum()
                }
                None => row::dot(a, b),
            };
        }
        total
    }
}

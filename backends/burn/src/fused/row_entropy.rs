//! -sum p ln p over the last axis; 0 ln 0 = 0.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_flex::{Flex, FlexTensor};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, dense, each, slice, typed, unwritten, width};
use crate::kernels::real::Real;
use crate::kernels::row;
use crate::kernels::vectorised::vectorised;
use crate::value::{burn_shape, extents};

pub(super) fn run(p: Float) -> Float {
    let Operands { tensors: [p], nodes } = Operands::new([Some(p)]);
    let p = dense(p.expect("given above"));
    let out = typed!(p, T => entropies::<T>(&p));
    finish(nodes, RowEntropyBackward, out, |_| p)
}

fn entropies<T: Real>(p: &FlexTensor) -> FlexTensor {
    let n = width(p);
    let mut shape = extents(p);
    if let Some(last) = shape.last_mut() {
        *last = 1;
    }
    let values: &[T] = slice(p);
    let mut out = vec![T::ZERO; shape.iter().product()];
    let rows = buffer::piece(n) / n.max(1);
    each(&mut out, rows, |i, part| {
        let at = i * rows * n;
        forward(part, &values[at..at + part.len() * n], n);
    });
    buffer::tensor(out, burn_shape(&shape))
}

#[derive(Debug)]
struct RowEntropyBackward;

impl Backward<Flex, 1> for RowEntropyBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let p = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| typed!(p, T => gradient::<T>(&p, &dense(dy))));
    }
}

fn gradient<T: Real>(p: &FlexTensor, dy: &FlexTensor) -> FlexTensor {
    let n = width(p);
    let (values, dy): (&[T], &[T]) = (slice(p), slice(dy));
    // SAFETY: `backward` writes every element.
    let mut dp = unsafe { unwritten::<T>(values.len()) };
    let piece = buffer::piece(n);
    each(&mut dp, piece, |i, part| {
        let at = i * piece;
        backward(part, &values[at..at + part.len()], &dy[at / n..], n);
    });
    buffer::tensor(dp, p.layout().shape().clone())
}

vectorised! {
    fn forward<T: Real>(out: &mut [T], p: &[T], n: usize) {
        if n == 0 {
            return;
        }
        for (out, p) in out.iter_mut().zip(p.chunks_exact(n)) {
            *out = -row::sum(p, |p| p * (if p < T::FLOOR { T::FLOOR } else { p }).logarithm());
        }
    }

    fn backward<T: Real>(dp: &mut [T], p: &[T], dy: &[T], n: usize) {
        for ((dp, p), &dy) in dp.chunks_exact_mut(n).zip(p.chunks_exact(n)).zip(dy) {
            for (dp, &p) in dp.iter_mut().zip(p) {
                // The logarithm is held constant below the floor.
                let (log, slope) =
                    if p < T::FLOOR { (T::FLOOR.logarithm(), T::ZERO) } else { (p.logarithm(), T::ONE) };
                *dp = -dy * (log + slope);
            }
        }
    }
}

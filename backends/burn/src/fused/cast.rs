//! Between f32 and bfloat16, with the other way as its gradient.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_backend::DType;
use burn_flex::{Flex, FlexTensor};
use half::bf16;
use palimpsest_kernels::{bfloat16, piece};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, dense, each, slice, unwritten};

/// The tensor in the other of both types.
pub(super) fn run(x: Float) -> Float {
    let Operands { tensors: [x], nodes } = Operands::new([Some(x)]);
    finish(nodes, CastBackward, turned(x.expect("given above")), |_| ())
}

#[derive(Debug)]
struct CastBackward;

impl Backward<Flex, 1> for CastBackward {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        unary::<Flex, _>(ops.parents, ops.node, grads, turned);
    }
}

fn turned(x: FlexTensor) -> FlexTensor {
    let x = dense(x);
    let (shape, piece) = (x.layout().shape().clone(), piece::size(1));
    if x.dtype() == DType::BF16 {
        let from: &[bf16] = slice(&x);
        // SAFETY: each piece is written.
        let mut wide = unsafe { unwritten::<f32>(from.len()) };
        each(&mut wide, piece, |i, part| bfloat16::widen(&from[i * piece..][..part.len()], part));
        return buffer::tensor(wide, shape);
    }
    let from: &[f32] = slice(&x);
    // SAFETY: as above.
    let mut narrow = unsafe { unwritten::<bf16>(from.len()) };
    each(&mut narrow, piece, |i, part| bfloat16::round(&from[i * piece..][..part.len()], part));
    buffer::tensor(narrow, shape)
}

//! Fused operations: a forward and a backward pass of their own, each in as few passes over
//! memory as the mathematics allows.
#![allow(
    unsafe_code,
    reason = "buffers that kernels fill before they are read, shared out to tasks piece by piece"
)]

mod activation;
mod adamw;
mod attention;
mod attention_apply;
mod attention_probs;
mod cast;
mod cross_entropy;
mod head;
mod layer_norm;
mod linear;
mod residual;
mod row_entropy;
mod softmax;
mod sum_squares;

use burn_flex::Flex;
use palimpsest_core::tensor::{DType, Op, OpKind};
use palimpsest_core::{Error, Result};
use palimpsest_kernels::adamw::Constants;

use activation::{Gelu, Silu};

use crate::operands::{self, Inputs, finish};
use crate::value::Value;

type Float = operands::Float<Flex>;
type Operands<const N: usize> = operands::Operands<Flex, N>;

/// Whether a fused operation has kernels for a type. In bfloat16 those that multiply matrices have, and GELU, which stands
/// between two of them: all compute in f32 and round once, at every level of instructions.
pub(crate) fn supports(op: OpKind, dtype: DType) -> bool {
    match op {
        OpKind::Lerp => dtype.is_float(),
        OpKind::Linear
        | OpKind::Attention
        | OpKind::SelfAttention
        | OpKind::AttentionProbs
        | OpKind::AttentionApply
        | OpKind::Gelu => dtype.is_float(),
        _ => op.is_fused() && matches!(dtype, DType::F32 | DType::F64),
    }
}

/// Casts between f32 and bfloat16; `None` for other types, which are the engine's.
pub(crate) fn cast(x: &Value<Flex>, dtype: DType) -> Option<Value<Flex>> {
    let from = x.inner().dtype();
    let known = matches!(
        (from, dtype),
        (burn_backend::DType::F32, DType::Bf16) | (burn_backend::DType::BF16, DType::F32)
    );
    known.then(|| cast::run(operands::Float::of(x.clone())).into())
}

/// Runs a fused operation.
pub(crate) fn run(op: &Op, inputs: Vec<Value<Flex>>) -> Result<Vec<Value<Flex>>> {
    let name = op.kind().name();
    let mut inputs = Inputs::new(name, inputs);
    let output = match op {
        Op::Linear => linear::run(inputs.float()?, inputs.float()?, inputs.optional()),
        Op::Softmax => softmax::run(inputs.float()?),
        Op::LayerNorm { eps } => layer_norm::run(inputs.float()?, inputs.float()?, inputs.float()?, *eps),
        Op::Gelu => activation::run(Gelu, inputs.float()?),
        Op::Silu => activation::run(Silu, inputs.float()?),
        Op::Attention { heads } => {
            let (q, k, v) = (inputs.float()?, inputs.float()?, inputs.float()?);
            attention::separate(q, k, v, inputs.optional(), *heads)
        }
        Op::SelfAttention { heads } => attention::packed(inputs.float()?, inputs.optional(), *heads),
        Op::AttentionProbs { heads } => attention_probs::run(inputs.float()?, inputs.optional(), *heads),
        Op::AttentionApply { heads } => attention_apply::run(inputs.float()?, inputs.float()?, *heads),
        Op::Residual { gain, keep } => {
            let (x, y) = (inputs.float()?, inputs.float()?);
            let gain = if *gain { Some(inputs.float()?) } else { None };
            let keep = if *keep { Some(inputs.float()?) } else { None };
            residual::run(x, y, gain, keep)
        }
        Op::RowEntropy => row_entropy::run(inputs.float()?),
        Op::CrossEntropy { smoothing } => cross_entropy::run(inputs.float()?, inputs.integers()?, *smoothing),
        Op::SumSquares => sum_squares::run(inputs.float()?),
        Op::Adamw { beta1, beta2, eps, decay, factor } => {
            let constants = Constants { betas: [*beta1, *beta2], eps: *eps, decay: *decay, factor: *factor };
            let mut next = || inputs.float().map(Float::into_inner);
            let step = adamw::Inputs {
                parameter: next()?,
                gradient: next()?,
                first: next()?,
                second: next()?,
                rates: next()?,
                average: inputs.optional().map(Float::into_inner),
            };
            return Ok(adamw::step(constants, step).into_iter().map(Value::Plain).collect());
        }
        _ => return Err(Error::failure(format!("{name} has no fused kernel"))),
    };
    Ok(vec![output.into()])
}

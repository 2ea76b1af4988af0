//! Fused operations with a backward pass of their own, out of burn's primitives: CubeCL fuses neighbours into
//! one kernel, and what is saved between the passes is less than burn's graph of the primitives would keep.

mod gelu;
mod layer_norm;
mod softmax;

use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, Error, Result};

use super::Cube;
use crate::operands::{self, Inputs, finish};
use crate::value::Value;

type Float = operands::Float<Cube>;
type Operands<const N: usize> = operands::Operands<Cube, N>;

/// Whether a fused operation is here. Sums over rows of bfloat16 are left to core, which takes them in f32.
pub(super) fn supports(op: OpKind, dtype: DType) -> bool {
    match op {
        OpKind::Lerp => dtype.is_float(),
        // Out of primitives, each of which would round to bfloat16.
        OpKind::Gelu | OpKind::Softmax | OpKind::LayerNorm => matches!(dtype, DType::F32 | DType::F64),
        _ => false,
    }
}

/// Runs a fused operation.
pub(super) fn run(op: &Op, inputs: Vec<Value<Cube>>) -> Result<Vec<Value<Cube>>> {
    let name = op.kind().name();
    let mut inputs = Inputs::new(name, inputs);
    let output = match op {
        Op::Gelu => gelu::run(inputs.float()?),
        Op::Softmax => softmax::run(inputs.float()?),
        Op::LayerNorm { eps } => layer_norm::run(inputs.float()?, inputs.float()?, inputs.float()?, *eps),
        _ => return Err(Error::failure(format!("{name} has no kernel on GPUs"))),
    };
    Ok(vec![output.into()])
}

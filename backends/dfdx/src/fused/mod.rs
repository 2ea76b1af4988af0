//! Fused operations: a forward and a backward pass of their own, each in as few passes over memory
//! as the mathematics allows. Products run on dfdx's matrices; the rest works on host slices.

mod activation;
mod adamw;
mod attention;
mod attention_apply;
mod attention_probs;
mod cross_entropy;
mod heads;
mod layer_norm;
mod lerp;
mod linear;
mod residual;
mod row_entropy;
mod softmax;
mod sum_squares;

use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use palimpsest_core::tensor::Op;
use palimpsest_core::{Error, Result};
use palimpsest_kernels::adamw::Constants;

use crate::engine::{Hardware, HostEngine};
use crate::inputs::Inputs;
use crate::real::Real;
use crate::value::Var;

/// A device that fused operations can be asked of.
pub(crate) trait Fused: Hardware {
    /// Runs a fused operation.
    ///
    /// # Errors
    /// Inputs that it is not defined on, or a device that has none.
    fn fused<E: Real>(op: &Op, inputs: Inputs<Self>) -> Result<Vec<Var<E, Self>>>
    where
        Self: Device<E>;
}

impl Fused for Cpu {
    fn fused<E: Real>(op: &Op, inputs: Inputs<Self>) -> Result<Vec<Var<E, Self>>>
    where
        Self: Device<E>,
    {
        run(op, inputs)
    }
}

fn run<E: Real, H: HostEngine<E>>(op: &Op, mut inputs: Inputs<H>) -> Result<Vec<Var<E, H>>> {
    let x = inputs.float()?;
    let y = match op {
        Op::Linear => linear::run(x, inputs.float()?, inputs.optional()?),
        Op::Softmax => softmax::run(x),
        Op::LayerNorm { eps } => layer_norm::run(x, inputs.float()?, inputs.float()?, *eps),
        Op::Gelu => activation::gelu(x),
        Op::Silu => activation::silu(x),
        Op::Attention { heads } => {
            attention::separate(x, inputs.float()?, inputs.float()?, inputs.optional()?, *heads)
        }
        Op::SelfAttention { heads } => attention::packed(x, inputs.optional()?, *heads),
        Op::AttentionProbs { heads } => attention_probs::run(x, inputs.optional()?, *heads),
        Op::AttentionApply { heads } => attention_apply::run(x, inputs.float()?, *heads),
        Op::Residual { gain, keep } => {
            let y = inputs.float()?;
            let gain = if *gain { inputs.optional()? } else { None };
            let keep = if *keep { inputs.optional()? } else { None };
            residual::run(x, y, gain, keep)
        }
        Op::RowEntropy => row_entropy::run(x),
        Op::CrossEntropy { smoothing } => cross_entropy::run(x, &inputs.integers()?, *smoothing)?,
        Op::SumSquares => sum_squares::run(x),
        Op::Lerp { weight } => lerp::run(x, inputs.float()?, *weight),
        Op::Adamw { beta1, beta2, eps, decay, factor } => {
            let constants = Constants { betas: [*beta1, *beta2], eps: *eps, decay: *decay, factor: *factor };
            let step = adamw::Inputs {
                parameter: x,
                gradient: inputs.float()?,
                first: inputs.float()?,
                second: inputs.float()?,
                rates: inputs.float()?,
                average: inputs.optional()?,
            };
            return Ok(adamw::step(constants, step));
        }
        _ => return Err(Error::failure(format!("{} has no fused kernel", op.kind().name()))),
    };
    Ok(vec![y])
}

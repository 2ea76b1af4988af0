//! Fused operations, on libtorch's own kernels where it has one.

mod adamw;
mod attention;

use palimpsest_core::tensor::{DType, Op};
use tch::{Reduction, Tensor};

use crate::failure::{Result, wrong_inputs};
use crate::shim;
use crate::value::core_type;

/// Runs a fused operation.
pub(crate) fn run(op: &Op, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
    // These may write in place, and take their inputs by value.
    match op {
        Op::Adamw { .. } => return adamw::step(op, inputs),
        Op::Lerp { weight } => {
            let [a, b] = exactly(op, inputs)?;
            return Ok(vec![lerp(a, &b, *weight)?]);
        }
        _ => {}
    }
    let output = match (op, inputs.as_slice()) {
        (Op::Linear, [x, weight]) => x.f_linear(weight, None::<&Tensor>)?,
        (Op::Linear, [x, weight, bias]) => x.f_linear(weight, Some(bias))?,
        (Op::Softmax, [x]) => x.f_softmax(-1, None::<tch::Kind>)?,
        (Op::LayerNorm { eps }, [x, gain, bias]) => {
            x.f_layer_norm(gain.size(), Some(gain), Some(bias), *eps, true)?
        }
        (Op::Gelu, [x]) => x.f_gelu("none")?,
        (Op::Silu, [x]) => x.f_silu()?,
        (Op::Attention { heads }, [q, k, v, bias @ ..]) => {
            attention::separate([q, k, v], bias.first(), *heads)?
        }
        (Op::SelfAttention { heads }, [qkv, bias @ ..]) => attention::packed(qkv, bias.first(), *heads)?,
        (Op::AttentionProbs { heads }, [qkv, bias @ ..]) => {
            attention::probabilities(qkv, bias.first(), *heads)?
        }
        (Op::AttentionApply { heads }, [probabilities, qkv]) => attention::apply(probabilities, qkv, *heads)?,
        (Op::Residual { .. }, [x, y]) => x.f_add(y)?,
        (Op::Residual { .. }, [x, y, factor]) => x.f_addcmul(y, factor)?,
        (Op::Residual { .. }, [x, y, gain, keep]) => x.f_addcmul(&y.f_mul(gain)?, keep)?,
        (Op::RowEntropy, [p]) => row_entropy(p)?,
        (Op::CrossEntropy { smoothing }, [logits, labels]) => {
            // No label is ignored: libtorch's default would pass over -100 in silence.
            let ignored = i64::MIN;
            logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, ignored, *smoothing)?
        }
        (Op::SumSquares, [x]) => x.f_square()?.f_sum(None::<tch::Kind>)?,
        _ => return Err(wrong_inputs(op)),
    };
    Ok(vec![output])
}

/// -sum p ln p. Not libtorch's `special_entr`, whose gradient at 0 is infinite: the clamp keeps
/// 0 ln 0 = 0 and its gradient finite.
fn row_entropy(p: &Tensor) -> Result<Tensor> {
    let floor = if core_type(p)? == DType::F64 { 1e-300 } else { 1e-37 };
    let log = p.f_clamp_min(floor)?.f_log()?;
    Ok(p.f_mul(&log)?.f_sum_dim_intlist([-1].as_slice(), true, None::<tch::Kind>)?.f_neg()?)
}

/// a + weight (b - a), in place where `a` is the only reference to its memory: a moving average of
/// parameters then allocates nothing.
fn lerp(mut a: Tensor, b: &Tensor, weight: f64) -> Result<Tensor> {
    let recorded = a.requires_grad() || b.requires_grad();
    if !recorded && a.is_contiguous() && shim::is_sole(&a) {
        let _ = a.f_lerp_(b, weight)?;
        Ok(a)
    } else {
        Ok(a.f_lerp(b, weight)?)
    }
}

fn exactly<const N: usize>(op: &Op, inputs: Vec<Tensor>) -> Result<[Tensor; N]> {
    <[Tensor; N]>::try_from(inputs).map_err(|_| wrong_inputs(op))
}

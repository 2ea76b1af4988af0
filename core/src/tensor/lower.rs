//! Fused operations taken apart into primitives: their definition, and what a backend without
//! a kernel of its own runs.

use super::{DType, Op, Tensor};
use crate::backend::NoGrad;
use crate::{Error, Result};

/// Runs a fused operation as primitives.
pub(super) fn lower(op: &Op, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let [x, rest @ ..] = inputs else {
        return Err(Error::failure(format!("{}: no inputs to lower", op.kind().name())));
    };
    let out = match op {
        Op::Linear => {
            if let [width] = *x.shape().dims() {
                // A product needs rows.
                let mut row = vec![x.reshape([1, width])?];
                row.extend(rest.iter().cloned());
                let out = rest[0].shape()[0];
                return Ok(vec![Tensor::apply(op, &row)?.remove(0).reshape([out])?]);
            }
            let y = x.matmul(&rest[0].permute(&[1, 0])?)?;
            match rest.get(1) {
                Some(bias) => y.add(bias)?,
                None => y,
            }
        }
        Op::Softmax => {
            let last = x.rank() - 1;
            if x.shape()[last] == 0 {
                // Rows without entries, which have no maximum.
                return Ok(vec![x.clone()]);
            }
            // The maximum only shifts the logits: no gradient flows through it.
            let e = x.sub(&x.detach()?.max(last)?)?.exp()?;
            e.div(&e.sum(&[last])?)?
        }
        Op::LayerNorm { eps } => {
            let last = x.rank() - 1;
            let centred = x.sub(&x.mean(&[last])?)?;
            let variance = centred.mul(&centred)?.mean(&[last])?;
            let rstd = variance.add_scalar(*eps)?.pow_scalar(-0.5)?;
            centred.mul(&rstd)?.mul(&rest[0])?.add(&rest[1])?
        }
        Op::Gelu => {
            let phi = x.mul_scalar(std::f64::consts::FRAC_1_SQRT_2)?.erf()?.add_scalar(1.0)?;
            x.mul(&phi)?.mul_scalar(0.5)?
        }
        Op::Silu => {
            // sigmoid(x) = (1 + tanh(x/2)) / 2 does not overflow.
            x.mul(&x.mul_scalar(0.5)?.tanh()?.add_scalar(1.0)?)?.mul_scalar(0.5)?
        }
        Op::Attention { heads } => {
            let q = split_heads(x, *heads)?;
            let k = split_heads(&rest[0], *heads)?;
            let v = split_heads(&rest[1], *heads)?;
            let probs = probabilities(&q, &k, rest.get(2))?;
            merge_heads(&probs.matmul(&v)?)?
        }
        Op::SelfAttention { heads } => {
            let [q, k, v] = unpack(x)?;
            let mut inputs = vec![q, k, v];
            inputs.extend(rest.iter().cloned());
            return Tensor::apply(&Op::Attention { heads: *heads }, &inputs);
        }
        Op::AttentionProbs { heads } => {
            let [q, k, _] = unpack(x)?;
            probabilities(&split_heads(&q, *heads)?, &split_heads(&k, *heads)?, rest.first())?
        }
        Op::AttentionApply { heads } => {
            let [_, _, v] = unpack(&rest[0])?;
            merge_heads(&x.matmul(&split_heads(&v, *heads)?)?)?
        }
        Op::Residual { .. } => {
            let mut y = rest[0].clone();
            for factor in &rest[1..] {
                y = y.mul(factor)?;
            }
            x.add(&y)?
        }
        Op::RowEntropy => {
            // The clamp keeps 0 ln 0 = 0 and its gradient finite.
            let floor = if x.dtype() == DType::F64 { 1e-300 } else { 1e-37 };
            let log = x.clamp(floor, f64::MAX)?.log()?;
            x.mul(&log)?.sum(&[x.rank() - 1])?.neg()?
        }
        Op::CrossEntropy { smoothing } => {
            let [b, classes] = x.shape().array()?;
            let shifted = x.sub(&x.detach()?.max(1)?)?;
            let log_p = shifted.sub(&shifted.exp()?.sum(&[1])?.log()?)?;
            let picked =
                log_p.gather(1, &rest[0].reshape([b, 1])?)?.mean_all()?.mul_scalar(smoothing - 1.0)?;
            if *smoothing == 0.0 {
                picked
            } else {
                let uniform = log_p.sum_all()?.mul_scalar(-smoothing / (b * classes) as f64)?;
                picked.add(&uniform)?
            }
        }
        Op::SumSquares => x.mul(x)?.sum_all()?,
        Op::Lerp { weight } => x.add(&rest[0].sub(x)?.mul_scalar(*weight)?)?,
        Op::Adamw { .. } => return adamw(op, x, rest),
        _ => return Err(Error::failure(format!("{} is a primitive", op.kind().name()))),
    };
    Ok(vec![out])
}

/// [b, n, 3 d] -> three of [b, n, d].
fn unpack(qkv: &Tensor) -> Result<[Tensor; 3]> {
    let d = qkv.shape()[2] / 3;
    Ok([qkv.narrow(2, 0, d)?, qkv.narrow(2, d, d)?, qkv.narrow(2, 2 * d, d)?])
}

/// [b, n, d] -> [b, heads, n, d / heads]
fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let [b, n, d] = x.shape().array()?;
    x.reshape([b, n, heads, d / heads])?.permute(&[0, 2, 1, 3])
}

/// [b, heads, n, d / heads] -> [b, n, d]
fn merge_heads(x: &Tensor) -> Result<Tensor> {
    let [b, heads, n, width] = x.shape().array()?;
    x.permute(&[0, 2, 1, 3])?.reshape([b, n, heads * width])
}

/// softmax(q k^T / sqrt(width) + bias), summed in f32 or wider.
fn probabilities(q: &Tensor, k: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let scale = (q.shape()[3] as f64).sqrt().recip();
    let dtype = q.dtype();
    let wide = if dtype == DType::Bf16 { DType::F32 } else { dtype };
    let mut logits = q.mul_scalar(scale)?.matmul(&k.permute(&[0, 1, 3, 2])?)?.cast(wide)?;
    if let Some(bias) = bias {
        logits = logits.add(&bias.cast(wide)?)?;
    }
    logits.softmax()?.cast(dtype)
}

/// A step of AdamW. Where it is left out, nothing is: a product with 0 would keep NaN.
fn adamw(op: &Op, x: &Tensor, rest: &[Tensor]) -> Result<Vec<Tensor>> {
    let (Op::Adamw { beta1, beta2, eps, decay, factor }, [g, m, v, rates, average @ ..]) = (op, rest) else {
        return Err(Error::failure("adamw: wrong inputs to lower"));
    };
    // A step has no history, whatever its inputs have.
    let device = x.device();
    let _quiet = NoGrad::new(&*device.backend);
    let rate = |i: usize| rates.narrow(0, i, 1)?.reshape([]);
    let like = |number: Tensor| number.cast(x.dtype());
    let (lr, step, skip) = (rate(0)?.mul_scalar(*factor)?, rate(1)?, rate(3)?);
    // 1 - beta^step = 2 t / (1 + t) with t = tanh(-step ln(beta) / 2), which keeps its digits where beta^step
    // is near 1.
    let correction = |beta: f64| {
        let t = step.mul_scalar(-0.5 * beta.ln())?.tanh()?;
        t.div(&t.add_scalar(1.0)?)?.mul_scalar(2.0)
    };
    let g = g.mul(&like(rate(2)?)?)?;
    let first = m.mul_scalar(*beta1)?.add(&g.mul_scalar(1.0 - beta1)?)?;
    let second = v.mul_scalar(*beta2)?.add(&g.mul(&g)?.mul_scalar(1.0 - beta2)?)?;
    let denominator = second.sqrt()?.div(&like(correction(*beta2)?.sqrt()?)?)?.add_scalar(*eps)?;
    let update = first.div(&denominator)?.mul(&like(lr.div(&correction(*beta1)?)?)?)?;
    let shrunk = match decay {
        0.0 => x.clone(),
        _ => x.mul(&like(lr.mul_scalar(-decay)?.add_scalar(1.0)?)?)?,
    };
    let parameter = shrunk.sub(&update)?;
    let done = skip.less(&skip.mul_scalar(0.0)?.add_scalar(0.5)?)?;
    let mut out = vec![done.where_(&parameter, x)?, done.where_(&first, m)?, done.where_(&second, v)?];
    if let [average] = average {
        let moved = average.add(&parameter.sub(average)?.mul(&like(rate(4)?)?)?)?;
        out.push(done.where_(&moved, average)?);
    }
    Ok(out)
}

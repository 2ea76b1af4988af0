//! Attention, whole through libtorch's `scaled_dot_product_attention`, or in halves where the
//! probabilities are wanted.

use palimpsest_core::tensor::DType;
use tch::{Kind, Tensor};

use crate::failure::Result;
use crate::value::core_type;

/// Attention of queries [b, n, d] to keys and values [b, m, d].
pub(super) fn separate(operands: [&Tensor; 3], bias: Option<&Tensor>, heads: usize) -> Result<Tensor> {
    let [q, k, v] = operands;
    scaled_dot_product(split(q, heads)?, split(k, heads)?, split(v, heads)?, bias)
}

/// Self-attention of packed queries, keys and values [b, n, 3 d].
pub(super) fn packed(qkv: &Tensor, bias: Option<&Tensor>, heads: usize) -> Result<Tensor> {
    let [q, k, v] = unpack(qkv, heads)?;
    scaled_dot_product(q, k, v, bias)
}

/// softmax(q k^T / sqrt(width) + bias) [b, h, n, n], in f32 or wider and rounded at the end.
pub(super) fn probabilities(qkv: &Tensor, bias: Option<&Tensor>, heads: usize) -> Result<Tensor> {
    let [q, k, _] = unpack(qkv, heads)?;
    let kind = qkv.f_kind()?;
    let wide = if core_type(qkv)? == DType::Bf16 { Kind::Float } else { kind };
    let scale = (q.size()[3] as f64).sqrt().recip();
    let mut logits = q.f_mul_scalar(scale)?.f_matmul(&k.f_transpose(-2, -1)?)?.f_to_kind(wide)?;
    if let Some(bias) = bias {
        logits = logits.f_add(&bias.f_to_kind(wide)?)?;
    }
    Ok(logits.f_softmax(-1, None::<Kind>)?.f_to_kind(kind)?)
}

/// Probabilities [b, h, n, n] applied to the values in packed [b, n, 3 d].
pub(super) fn apply(probabilities: &Tensor, qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let [_, _, v] = unpack(qkv, heads)?;
    merge(&probabilities.f_matmul(&v)?)
}

fn scaled_dot_product(q: Tensor, k: Tensor, v: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    // CUDA's kernels take a bias of the operands' type only.
    let bias = bias.map(|bias| bias.f_to_kind(q.f_kind()?)).transpose()?;
    merge(&Tensor::f_scaled_dot_product_attention(&q, &k, &v, bias, 0.0, false, None, false)?)
}

/// [b, n, d] -> [b, h, n, d / h]
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (b, n, d) = x.size3()?;
    let heads = heads as i64;
    Ok(x.f_reshape([b, n, heads, d / heads])?.f_transpose(1, 2)?)
}

/// [b, n, 3 d] -> three of [b, h, n, d / h]
fn unpack(qkv: &Tensor, heads: usize) -> Result<[Tensor; 3]> {
    let (b, n, d3) = qkv.size3()?;
    let heads = heads as i64;
    let parts = qkv.f_reshape([b, n, 3, heads, d3 / (3 * heads)])?.f_permute([2, 0, 3, 1, 4])?;
    Ok([parts.f_select(0, 0)?, parts.f_select(0, 1)?, parts.f_select(0, 2)?])
}

/// [b, h, n, d / h] -> [b, n, d]
fn merge(x: &Tensor) -> Result<Tensor> {
    let (b, heads, n, width) = x.size4()?;
    Ok(x.f_transpose(1, 2)?.f_reshape([b, n, heads * width])?)
}

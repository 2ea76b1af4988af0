//! Multi-head attention (Vaswani et al., 2017).

use super::{fused, layout, product};
use crate::array::Array;

/// [b, n, 3 d] -> q, k and v of [b, n, d].
pub(super) fn unpack(qkv: &Array) -> [Array; 3] {
    let d = qkv.shape[2] / 3;
    [0, d, 2 * d].map(|start| layout::narrow(qkv, 2, start, d))
}

/// [b, n, d] -> [b, heads, n, d / heads]
fn split(x: &Array, heads: usize) -> Array {
    let width = x.shape[2] / heads;
    Array::build(&[x.shape[0], heads, x.shape[1], width], |i| x.at(&[i[0], i[2], i[1] * width + i[3]]))
}

/// [b, h, n, m]
pub(super) fn probabilities(q: &Array, k: &Array, bias: Option<&Array>, heads: usize) -> Array {
    let scale = ((q.shape[2] / heads) as f64).sqrt();
    let turned = layout::permute(&split(k, heads), &[0, 1, 3, 2]);
    let logits = product::matmul(&split(q, heads), &turned).map(|v| v / scale);
    match bias {
        Some(bias) => fused::softmax(&logits.zip(bias, |a, b| a + b)),
        None => fused::softmax(&logits),
    }
}

/// (probabilities [b, h, n, m], v [b, m, d]) -> [b, n, d]
pub(super) fn apply(p: &Array, v: &Array) -> Array {
    let heads = p.shape[1];
    let width = v.shape[2] / heads;
    let out = product::matmul(p, &split(v, heads));
    Array::build(&[p.shape[0], p.shape[2], v.shape[2]], |i| out.at(&[i[0], i[2] / width, i[1], i[2] % width]))
}

pub(super) fn attention([q, k, v]: [&Array; 3], bias: Option<&Array>, heads: usize) -> Array {
    apply(&probabilities(q, k, bias, heads), v)
}

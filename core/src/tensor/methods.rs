//! The operations as methods of a tensor.

use super::{DType, Interpolation, Op, Shape, Tensor};
use crate::Result;

impl Tensor {
    // Elementwise operations.

    /// -x
    ///
    /// # Errors
    /// As [`Tensor::apply`]; so for every operation below.
    pub fn neg(&self) -> Result<Self> {
        Self::one(&Op::Neg, &[self])
    }
    /// e^x
    pub fn exp(&self) -> Result<Self> {
        Self::one(&Op::Exp, &[self])
    }
    /// ln x
    pub fn log(&self) -> Result<Self> {
        Self::one(&Op::Log, &[self])
    }
    /// Square root.
    pub fn sqrt(&self) -> Result<Self> {
        Self::one(&Op::Sqrt, &[self])
    }
    /// Hyperbolic tangent.
    pub fn tanh(&self) -> Result<Self> {
        Self::one(&Op::Tanh, &[self])
    }
    /// Error function.
    pub fn erf(&self) -> Result<Self> {
        Self::one(&Op::Erf, &[self])
    }
    /// |x|
    pub fn abs(&self) -> Result<Self> {
        Self::one(&Op::Abs, &[self])
    }
    /// Sine.
    pub fn sin(&self) -> Result<Self> {
        Self::one(&Op::Sin, &[self])
    }
    /// Cosine.
    pub fn cos(&self) -> Result<Self> {
        Self::one(&Op::Cos, &[self])
    }
    /// x + value
    pub fn add_scalar(&self, value: f64) -> Result<Self> {
        Self::one(&Op::AddScalar { value }, &[self])
    }
    /// x * value
    pub fn mul_scalar(&self, value: f64) -> Result<Self> {
        Self::one(&Op::MulScalar { value }, &[self])
    }
    /// x ^ value
    pub fn pow_scalar(&self, value: f64) -> Result<Self> {
        Self::one(&Op::PowScalar { value }, &[self])
    }
    /// x limited to [min, max].
    pub fn clamp(&self, min: f64, max: f64) -> Result<Self> {
        Self::one(&Op::Clamp { min, max }, &[self])
    }
    /// a + b, broadcast.
    pub fn add(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Add, &[self, other])
    }
    /// a - b, broadcast.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Sub, &[self, other])
    }
    /// a * b, broadcast.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Mul, &[self, other])
    }
    /// a / b, broadcast.
    pub fn div(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Div, &[self, other])
    }
    /// a == b, broadcast.
    pub fn equal(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Equal, &[self, other])
    }
    /// a < b, broadcast.
    pub fn less(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Less, &[self, other])
    }
    /// `a` where this truth value holds, else `b`; broadcast.
    pub fn where_(&self, a: &Self, b: &Self) -> Result<Self> {
        Self::one(&Op::Where, &[self, a, b])
    }
    /// The same values in another type.
    pub fn cast(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        Self::one(&Op::Cast { dtype }, &[self])
    }

    // Reductions: reduced axes are kept with extent 1, but for the `_all` forms.

    /// Sum over axes (ascending).
    pub fn sum(&self, axes: &[usize]) -> Result<Self> {
        Self::one(&Op::Sum { axes: axes.to_vec() }, &[self])
    }
    /// Mean over axes (ascending).
    pub fn mean(&self, axes: &[usize]) -> Result<Self> {
        Self::one(&Op::Mean { axes: axes.to_vec() }, &[self])
    }
    /// Sum of everything, a scalar.
    pub fn sum_all(&self) -> Result<Self> {
        let axes: Vec<usize> = (0..self.rank()).collect();
        self.sum(&axes)?.reshape([])
    }
    /// Mean of everything, a scalar.
    pub fn mean_all(&self) -> Result<Self> {
        let axes: Vec<usize> = (0..self.rank()).collect();
        self.mean(&axes)?.reshape([])
    }
    /// Largest value along an axis.
    pub fn max(&self, axis: usize) -> Result<Self> {
        Self::one(&Op::Max { axis }, &[self])
    }
    /// Index of the largest value along an axis.
    pub fn argmax(&self, axis: usize) -> Result<Self> {
        Self::one(&Op::Argmax { axis }, &[self])
    }
    /// Indices that sort an axis.
    pub fn argsort(&self, axis: usize, descending: bool) -> Result<Self> {
        Self::one(&Op::Argsort { axis, descending }, &[self])
    }

    // Layout.

    /// The same elements in another shape.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape == self.shape {
            return Ok(self.clone());
        }
        Self::one(&Op::Reshape { shape }, &[self])
    }
    /// Axes in another order: output axis i is input axis `axes[i]`.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        Self::one(&Op::Permute { axes: axes.to_vec() }, &[self])
    }
    /// `len` entries of an axis from `start` on.
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Result<Self> {
        Self::one(&Op::Narrow { axis, start, len }, &[self])
    }
    /// Tensors one after another along an axis.
    pub fn concat(tensors: &[&Self], axis: usize) -> Result<Self> {
        Self::one(&Op::Concat { axis }, tensors)
    }
    /// A constant border along an axis.
    pub fn pad(&self, axis: usize, before: usize, after: usize, value: f64) -> Result<Self> {
        Self::one(&Op::Pad { axis, before, after, value }, &[self])
    }
    /// Repeats extents of 1 to fill the shape.
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape == self.shape {
            return Ok(self.clone());
        }
        Self::one(&Op::Expand { shape }, &[self])
    }
    /// Entries at `indices` along an axis; `indices` has this shape but for the axis.
    pub fn gather(&self, axis: usize, indices: &Self) -> Result<Self> {
        Self::one(&Op::Gather { axis }, &[self, indices])
    }
    /// Slices at `indices` \[k\] along an axis.
    pub fn index_select(&self, axis: usize, indices: &Self) -> Result<Self> {
        Self::one(&Op::IndexSelect { axis }, &[self, indices])
    }
    /// This tensor with `source` added at `indices` along an axis.
    pub fn scatter_add(&self, axis: usize, indices: &Self, source: &Self) -> Result<Self> {
        Self::one(&Op::ScatterAdd { axis }, &[self, indices, source])
    }

    // Products and fused operations.

    /// [.., m, k] x [.., k, n]
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        Self::one(&Op::Matmul, &[self, other])
    }
    /// Convolution with weight [o, c, kh, kw].
    pub fn conv2d(&self, weight: &Self, stride: usize, padding: usize) -> Result<Self> {
        Self::one(&Op::Conv2d { stride, padding }, &[self, weight])
    }
    /// [b, c, h, w] resampled.
    pub fn interpolate(&self, height: usize, width: usize, mode: Interpolation) -> Result<Self> {
        Self::one(&Op::Interpolate { height, width, mode }, &[self])
    }
    /// x weight^T + bias, with weight [out, in].
    pub fn linear(&self, weight: &Self, bias: Option<&Self>) -> Result<Self> {
        match bias {
            Some(bias) => Self::one(&Op::Linear, &[self, weight, bias]),
            None => Self::one(&Op::Linear, &[self, weight]),
        }
    }
    /// Softmax over the last axis.
    pub fn softmax(&self) -> Result<Self> {
        Self::one(&Op::Softmax, &[self])
    }
    /// Normalised over the last axis, times gain, plus bias.
    pub fn layer_norm(&self, gain: &Self, bias: &Self, eps: f64) -> Result<Self> {
        Self::one(&Op::LayerNorm { eps }, &[self, gain, bias])
    }
    /// x Phi(x)
    pub fn gelu(&self) -> Result<Self> {
        Self::one(&Op::Gelu, &[self])
    }
    /// x sigmoid(x)
    pub fn silu(&self) -> Result<Self> {
        Self::one(&Op::Silu, &[self])
    }
    /// Attention of these queries [b, n, d] to k, v [b, m, d].
    pub fn attention(&self, k: &Self, v: &Self, bias: Option<&Self>, heads: usize) -> Result<Self> {
        let op = Op::Attention { heads };
        match bias {
            Some(bias) => Self::one(&op, &[self, k, v, bias]),
            None => Self::one(&op, &[self, k, v]),
        }
    }
    /// Self-attention of packed q, k, v [b, n, 3 d].
    pub fn self_attention(&self, bias: Option<&Self>, heads: usize) -> Result<Self> {
        let op = Op::SelfAttention { heads };
        match bias {
            Some(bias) => Self::one(&op, &[self, bias]),
            None => Self::one(&op, &[self]),
        }
    }
    /// Attention probabilities [b, heads, n, n] of packed q, k, v [b, n, 3 d].
    pub fn attention_probs(&self, bias: Option<&Self>, heads: usize) -> Result<Self> {
        let op = Op::AttentionProbs { heads };
        match bias {
            Some(bias) => Self::one(&op, &[self, bias]),
            None => Self::one(&op, &[self]),
        }
    }
    /// These probabilities [b, heads, n, n] applied to the values in packed q, k, v [b, n, 3 d].
    pub fn attention_apply(&self, qkv: &Self, heads: usize) -> Result<Self> {
        Self::one(&Op::AttentionApply { heads }, &[self, qkv])
    }
    /// This tensor [b, n, d] plus a branch, scaled by a gain \[d\] and kept by [b, 1, 1].
    pub fn residual(&self, branch: &Self, gain: Option<&Self>, keep: Option<&Self>) -> Result<Self> {
        let op = Op::Residual { gain: gain.is_some(), keep: keep.is_some() };
        let mut inputs = vec![self, branch];
        inputs.extend(gain);
        inputs.extend(keep);
        Self::one(&op, &inputs)
    }
    /// -sum p ln p over the last axis, kept.
    pub fn row_entropy(&self) -> Result<Self> {
        Self::one(&Op::RowEntropy, &[self])
    }
    /// Mean cross-entropy of logits [b, c] against labels \[b\].
    pub fn cross_entropy(&self, labels: &Self, smoothing: f64) -> Result<Self> {
        Self::one(&Op::CrossEntropy { smoothing }, &[self, labels])
    }
    /// Sum of squares, a scalar.
    pub fn sum_squares(&self) -> Result<Self> {
        Self::one(&Op::SumSquares, &[self])
    }
}

//! The op set: primitives that every backend has, and fused operations that core can take apart.

use super::attributes::{Attribute, Attributes, Reader};
use super::{DType, Interpolation, Shape};
use crate::Result;

macro_rules! ops {
    ($( $(#[$doc:meta])* $name:ident $( { $( $(#[$fdoc:meta])* $field:ident : $ty:ty ),* $(,)? } )? = $code:literal $label:literal ),* $(,)?) => {
        /// An operation with its attributes. Inputs and outputs are tensors, given apart.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Op {
            $( $(#[$doc])* $name $( { $( $(#[$fdoc])* $field: $ty ),* } )? ),*
        }

        /// An operation without its attributes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum OpKind {
            $( $(#[$doc])* $name = $code ),*
        }

        impl Op {
            /// Which operation it is.
            pub fn kind(&self) -> OpKind {
                match self { $( Self::$name $( { $( $field: _ ),* } )? => OpKind::$name ),* }
            }

            /// The attributes as numbers.
            pub fn attributes(&self) -> Attributes {
                #[allow(unused_mut, reason = "not every operation has attributes")]
                let mut out = Attributes::default();
                match self {
                    $( Self::$name $( { $( $field ),* } )? => { $( $( $field.write(&mut out); )* )? } ),*
                }
                out
            }

            /// The operation of [`Op::attributes`].
            ///
            /// # Errors
            /// Too many, too few, or impossible ones.
            pub fn from_attributes(kind: OpKind, integers: &[i64], reals: &[f64]) -> Result<Self> {
                let mut reader = Reader::new(integers, reals);
                let op = match kind {
                    $( OpKind::$name => Self::$name $( { $( $field: Attribute::read(&mut reader)? ),* } )? ),*
                };
                reader.end()?;
                Ok(op)
            }
        }

        impl OpKind {
            /// Every operation, primitives first.
            pub const ALL: &'static [Self] = &[ $( Self::$name ),* ];

            /// The operation of a number.
            pub fn from_code(code: u32) -> Option<Self> {
                match code {
                    $( $code => Some(Self::$name), )*
                    _ => None,
                }
            }

            /// The name in messages and tables.
            pub fn name(self) -> &'static str {
                match self { $( Self::$name => $label ),* }
            }
        }
    };
}

ops! {
    // Creation.
    /// () -> a tensor of one value.
    Full {
        /// Extents.
        shape: Shape,
        /// The value.
        value: f64,
        /// Element type.
        dtype: DType,
    } = 1 "full",
    /// () -> standard normal values from the library's own generator.
    RandomNormal {
        /// Extents.
        shape: Shape,
        /// Element type.
        dtype: DType,
    } = 2 "random-normal",
    /// () -> uniform values in [0, 1) from the library's own generator.
    RandomUniform {
        /// Extents.
        shape: Shape,
        /// Element type.
        dtype: DType,
    } = 3 "random-uniform",
    // Elementwise.
    /// -x
    Neg = 10 "neg",
    /// e^x
    Exp = 11 "exp",
    /// ln x
    Log = 12 "log",
    /// Square root.
    Sqrt = 13 "sqrt",
    /// Hyperbolic tangent.
    Tanh = 14 "tanh",
    /// Error function.
    Erf = 15 "erf",
    /// |x|, derivative 0 at 0.
    Abs = 16 "abs",
    /// Sine.
    Sin = 17 "sin",
    /// Cosine.
    Cos = 18 "cos",
    /// x + value
    AddScalar {
        /// The addend.
        value: f64,
    } = 19 "add-scalar",
    /// x * value
    MulScalar {
        /// The factor.
        value: f64,
    } = 20 "mul-scalar",
    /// x ^ value
    PowScalar {
        /// The exponent.
        value: f64,
    } = 21 "pow-scalar",
    /// x limited to [min, max]; the derivative is 0 outside.
    Clamp {
        /// Lower limit.
        min: f64,
        /// Upper limit.
        max: f64,
    } = 22 "clamp",
    /// a + b, broadcast.
    Add = 30 "add",
    /// a - b, broadcast.
    Sub = 31 "sub",
    /// a * b, broadcast.
    Mul = 32 "mul",
    /// a / b, broadcast.
    Div = 33 "div",
    /// a == b as truth values, broadcast.
    Equal = 34 "equal",
    /// a < b as truth values, broadcast.
    Less = 35 "less",
    /// (condition, a, b) -> a where the condition holds, else b; broadcast.
    Where = 36 "where",
    /// The same values in another type.
    Cast {
        /// The type.
        dtype: DType,
    } = 37 "cast",
    // Reductions. Reduced axes are kept with extent 1.
    /// Sum over axes.
    Sum {
        /// Axes, ascending.
        axes: Vec<usize>,
    } = 40 "sum",
    /// Mean over axes.
    Mean {
        /// Axes, ascending.
        axes: Vec<usize>,
    } = 41 "mean",
    /// Largest value along an axis; the gradient goes to the first of equals.
    Max {
        /// The axis.
        axis: usize,
    } = 42 "max",
    /// Index of the largest value along an axis (the first of equals), as i64.
    Argmax {
        /// The axis.
        axis: usize,
    } = 43 "argmax",
    /// Indices that sort an axis, stable, as i64.
    Argsort {
        /// The axis.
        axis: usize,
        /// Largest first.
        descending: bool,
    } = 44 "argsort",
    // Layout.
    /// The same elements in another shape.
    Reshape {
        /// Extents.
        shape: Shape,
    } = 50 "reshape",
    /// Axes in another order.
    Permute {
        /// Output axis i is input axis `axes[i]`.
        axes: Vec<usize>,
    } = 51 "permute",
    /// `len` entries of an axis from `start` on.
    Narrow {
        /// The axis.
        axis: usize,
        /// First entry.
        start: usize,
        /// Number of entries.
        len: usize,
    } = 52 "narrow",
    /// Tensors one after another along an axis.
    Concat {
        /// The axis.
        axis: usize,
    } = 53 "concat",
    /// A constant border along an axis.
    Pad {
        /// The axis.
        axis: usize,
        /// Entries in front.
        before: usize,
        /// Entries behind.
        after: usize,
        /// The constant.
        value: f64,
    } = 54 "pad",
    /// Repeats extents of 1 to fill the shape.
    Expand {
        /// Extents.
        shape: Shape,
    } = 55 "expand",
    /// (x, indices i64 of x's shape but for `axis`) -> x's entries at the indices along `axis`.
    Gather {
        /// The axis.
        axis: usize,
    } = 56 "gather",
    /// (x, indices i64 \[k\]) -> k slices of x along `axis`.
    IndexSelect {
        /// The axis.
        axis: usize,
    } = 57 "index-select",
    /// (x, indices i64, source of the indices' shape) -> x with source added at the indices.
    ScatterAdd {
        /// The axis.
        axis: usize,
    } = 58 "scatter-add",
    // Products.
    /// [.., m, k] x [.., k, n], batch extents broadcast.
    Matmul = 60 "matmul",
    /// (x [b, c, h, w], weight [o, c, kh, kw]) -> [b, o, h', w'].
    Conv2d {
        /// Stride, both axes.
        stride: usize,
        /// Zero padding, both axes and sides.
        padding: usize,
    } = 61 "conv2d",
    /// [b, c, h, w] -> [b, c, height, width].
    Interpolate {
        /// Output height.
        height: usize,
        /// Output width.
        width: usize,
        /// How to sample.
        mode: Interpolation,
    } = 62 "interpolate",
    // Fused operations.
    /// (x [.., in], weight [out, in], bias \[out\]?) -> x weight^T + bias.
    Linear = 100 "linear",
    /// Softmax over the last axis.
    Softmax = 101 "softmax",
    /// (x [.., d], gain \[d\], bias \[d\]) -> normalised over the last axis with the biased variance.
    LayerNorm {
        /// Added to the variance.
        eps: f64,
    } = 102 "layer-norm",
    /// x Phi(x), with the exact normal distribution function.
    Gelu = 103 "gelu",
    /// x sigmoid(x)
    Silu = 104 "silu",
    /// (q [b, n, d], k [b, m, d], v [b, m, d], bias broadcast to [b, h, n, m]?) -> [b, n, d];
    /// logits are scaled by 1/sqrt(d / heads).
    Attention {
        /// Heads.
        heads: usize,
    } = 105 "attention",
    /// As `Attention` with q, k, v packed in one tensor [b, n, 3 d].
    SelfAttention {
        /// Heads.
        heads: usize,
    } = 106 "self-attention",
    /// (qkv [b, n, 3 d], bias?) -> attention probabilities [b, h, n, n].
    AttentionProbs {
        /// Heads.
        heads: usize,
    } = 107 "attention-probs",
    /// (probabilities [b, h, n, n], qkv [b, n, 3 d]) -> [b, n, d].
    AttentionApply {
        /// Heads.
        heads: usize,
    } = 108 "attention-apply",
    /// (x [b, n, d], y [b, n, d], gain \[d\]?, keep [b, 1, 1]?) -> x + y * gain * keep: a residual
    /// branch with LayerScale and drop path.
    Residual {
        /// Whether a gain is given.
        gain: bool,
        /// Whether a keep factor is given.
        keep: bool,
    } = 109 "residual",
    /// (p [.., n]) -> -sum p ln p over the last axis, kept with extent 1; 0 ln 0 = 0.
    RowEntropy = 110 "row-entropy",
    /// (logits [b, c], labels i64 \[b\]) -> mean cross-entropy, a scalar.
    CrossEntropy {
        /// Label smoothing.
        smoothing: f64,
    } = 111 "cross-entropy",
    /// Sum of squares, a scalar (for the global gradient norm).
    SumSquares = 112 "sum-squares",
    /// (a, b) -> a + weight (b - a).
    Lerp {
        /// The weight of b.
        weight: f64,
    } = 113 "lerp",
    // 114 was a step of AdamW whose every number was an attribute, until ABI 1.2.
    /// (parameter, gradient, first moment, second moment, rates \[5\], average?) -> the first, third, fourth
    /// and last after a step of AdamW with decoupled decay (Loshchilov & Hutter, 2019), as PyTorch computes
    /// it. What changes from step to step is read from the rates, which are f64 where the parameter is, else
    /// f32: the learning rate, the number of the step from 1, the factor on the gradient, 1 to leave
    /// everything as it is or else 0, and the weight of the new parameter in its average.
    Adamw {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f64,
        /// Weight decay.
        decay: f64,
        /// Factor on the learning rate (layer-wise decay).
        factor: f64,
    } = 115 "adamw",
}

impl OpKind {
    /// Whether core can take it apart, so that a backend need not have it.
    pub fn is_fused(self) -> bool {
        self as u32 >= 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plug_ins_know_the_same_numbers() {
        let ours: Vec<(u32, &str)> = OpKind::ALL.iter().map(|&kind| (kind as u32, kind.name())).collect();
        assert_eq!(ours, palimpsest_abi::op::ALL);
    }
}

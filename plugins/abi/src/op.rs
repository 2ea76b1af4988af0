//! The numbers of operations, with their inputs, results and attributes.
//!
//! Attributes cross as two lists, integers and reals, each in the order given here. A shape or a list of axes is its
//! length followed by its entries; a flag is 0 or 1; a type is its number in [`crate::backend::HostTensor`].

/// () -> a tensor of one value.
///
/// Attributes: shape (shape), value (real), dtype (type).
pub const FULL: u32 = 1;

/// () -> standard normal values from the library's own generator.
///
/// Attributes: shape (shape), dtype (type).
pub const RANDOM_NORMAL: u32 = 2;

/// () -> uniform values in [0, 1) from the library's own generator.
///
/// Attributes: shape (shape), dtype (type).
pub const RANDOM_UNIFORM: u32 = 3;

/// -x
pub const NEG: u32 = 10;

/// e^x
pub const EXP: u32 = 11;

/// ln x
pub const LOG: u32 = 12;

/// Square root.
pub const SQRT: u32 = 13;

/// Hyperbolic tangent.
pub const TANH: u32 = 14;

/// Error function.
pub const ERF: u32 = 15;

/// |x|, derivative 0 at 0.
pub const ABS: u32 = 16;

/// Sine.
pub const SIN: u32 = 17;

/// Cosine.
pub const COS: u32 = 18;

/// x + value
///
/// Attributes: value (real).
pub const ADD_SCALAR: u32 = 19;

/// x * value
///
/// Attributes: value (real).
pub const MUL_SCALAR: u32 = 20;

/// x ^ value
///
/// Attributes: value (real).
pub const POW_SCALAR: u32 = 21;

/// x limited to [min, max]; the derivative is 0 outside.
///
/// Attributes: min (real), max (real).
pub const CLAMP: u32 = 22;

/// a + b, broadcast.
pub const ADD: u32 = 30;

/// a - b, broadcast.
pub const SUB: u32 = 31;

/// a * b, broadcast.
pub const MUL: u32 = 32;

/// a / b, broadcast.
pub const DIV: u32 = 33;

/// a == b as truth values, broadcast.
pub const EQUAL: u32 = 34;

/// a < b as truth values, broadcast.
pub const LESS: u32 = 35;

/// (condition, a, b) -> a where the condition holds, else b; broadcast.
pub const WHERE: u32 = 36;

/// The same values in another type.
///
/// Attributes: dtype (type).
pub const CAST: u32 = 37;

/// Sum over axes.
///
/// Attributes: axes (list).
pub const SUM: u32 = 40;

/// Mean over axes.
///
/// Attributes: axes (list).
pub const MEAN: u32 = 41;

/// Largest value along an axis; the gradient goes to the first of equals.
///
/// Attributes: axis (integer).
pub const MAX: u32 = 42;

/// Index of the largest value along an axis (the first of equals), as i64.
///
/// Attributes: axis (integer).
pub const ARGMAX: u32 = 43;

/// Indices that sort an axis, stable, as i64.
///
/// Attributes: axis (integer), descending (flag).
pub const ARGSORT: u32 = 44;

/// The same elements in another shape.
///
/// Attributes: shape (shape).
pub const RESHAPE: u32 = 50;

/// Axes in another order.
///
/// Attributes: axes (list).
pub const PERMUTE: u32 = 51;

/// `len` entries of an axis from `start` on.
///
/// Attributes: axis (integer), start (integer), len (integer).
pub const NARROW: u32 = 52;

/// Tensors one after another along an axis.
///
/// Attributes: axis (integer).
pub const CONCAT: u32 = 53;

/// A constant border along an axis.
///
/// Attributes: axis (integer), before (integer), after (integer), value (real).
pub const PAD: u32 = 54;

/// Repeats extents of 1 to fill the shape.
///
/// Attributes: shape (shape).
pub const EXPAND: u32 = 55;

/// (x, indices i64 of x's shape but for `axis`) -> x's entries at the indices along `axis`.
///
/// Attributes: axis (integer).
pub const GATHER: u32 = 56;

/// (x, indices i64 [k]) -> k slices of x along `axis`.
///
/// Attributes: axis (integer).
pub const INDEX_SELECT: u32 = 57;

/// (x, indices i64, source of the indices' shape) -> x with source added at the indices.
///
/// Attributes: axis (integer).
pub const SCATTER_ADD: u32 = 58;

/// [.., m, k] x [.., k, n], batch extents broadcast.
pub const MATMUL: u32 = 60;

/// (x [b, c, h, w], weight [o, c, kh, kw]) -> [b, o, h', w'].
///
/// Attributes: stride (integer), padding (integer).
pub const CONV2D: u32 = 61;

/// [b, c, h, w] -> [b, c, height, width].
///
/// Attributes: height (integer), width (integer), mode (0 nearest, 1 bilinear).
pub const INTERPOLATE: u32 = 62;

/// (x [.., in], weight [out, in], bias [out]?) -> x weight^T + bias.
pub const LINEAR: u32 = 100;

/// Softmax over the last axis.
pub const SOFTMAX: u32 = 101;

/// (x [.., d], gain [d], bias [d]) -> normalised over the last axis with the biased variance.
///
/// Attributes: eps (real).
pub const LAYER_NORM: u32 = 102;

/// x Phi(x), with the exact normal distribution function.
pub const GELU: u32 = 103;

/// x sigmoid(x)
pub const SILU: u32 = 104;

/// (q [b, n, d], k [b, m, d], v [b, m, d], bias broadcast to [b, h, n, m]?) -> [b, n, d];
/// logits are scaled by 1/sqrt(d / heads).
///
/// Attributes: heads (integer).
pub const ATTENTION: u32 = 105;

/// As `Attention` with q, k, v packed in one tensor [b, n, 3 d].
///
/// Attributes: heads (integer).
pub const SELF_ATTENTION: u32 = 106;

/// (qkv [b, n, 3 d], bias?) -> attention probabilities [b, h, n, n].
///
/// Attributes: heads (integer).
pub const ATTENTION_PROBS: u32 = 107;

/// (probabilities [b, h, n, n], qkv [b, n, 3 d]) -> [b, n, d].
///
/// Attributes: heads (integer).
pub const ATTENTION_APPLY: u32 = 108;

/// (x [b, n, d], y [b, n, d], gain [d]?, keep [b, 1, 1]?) -> x + y * gain * keep: a residual
/// branch with LayerScale and drop path.
///
/// Attributes: gain (flag), keep (flag).
pub const RESIDUAL: u32 = 109;

/// (p [.., n]) -> -sum p ln p over the last axis, kept with extent 1; 0 ln 0 = 0.
pub const ROW_ENTROPY: u32 = 110;

/// (logits [b, c], labels i64 [b]) -> mean cross-entropy, a scalar.
///
/// Attributes: smoothing (real).
pub const CROSS_ENTROPY: u32 = 111;

/// Sum of squares, a scalar (for the global gradient norm).
pub const SUM_SQUARES: u32 = 112;

/// (a, b) -> a + weight (b - a).
///
/// Attributes: weight (real).
pub const LERP: u32 = 113;

/// A step of AdamW whose every number is an attribute, until ABI 1.2. No backend is asked for it any more.
pub const ADAMW_STEP: u32 = 114;

/// (parameter, gradient, first moment, second moment, rates \[5\], average?) -> the first, third, fourth
/// and last after a step of AdamW with decoupled decay (Loshchilov & Hutter, 2019), as PyTorch computes
/// it. What changes from step to step is read from the rates, which are f64 where the parameter is, else
/// f32: the learning rate, the number of the step from 1, the factor on the gradient, 1 to leave
/// everything as it is or else 0, and the weight of the new parameter in its average. Since ABI 1.3.
///
/// Attributes: beta1 (real), beta2 (real), eps (real), decay (real), factor on the learning rate (real).
pub const ADAMW: u32 = 115;

/// Every operation: its number and its name in messages.
pub const ALL: &[(u32, &str)] = &[
    (FULL, "full"),
    (RANDOM_NORMAL, "random-normal"),
    (RANDOM_UNIFORM, "random-uniform"),
    (NEG, "neg"),
    (EXP, "exp"),
    (LOG, "log"),
    (SQRT, "sqrt"),
    (TANH, "tanh"),
    (ERF, "erf"),
    (ABS, "abs"),
    (SIN, "sin"),
    (COS, "cos"),
    (ADD_SCALAR, "add-scalar"),
    (MUL_SCALAR, "mul-scalar"),
    (POW_SCALAR, "pow-scalar"),
    (CLAMP, "clamp"),
    (ADD, "add"),
    (SUB, "sub"),
    (MUL, "mul"),
    (DIV, "div"),
    (EQUAL, "equal"),
    (LESS, "less"),
    (WHERE, "where"),
    (CAST, "cast"),
    (SUM, "sum"),
    (MEAN, "mean"),
    (MAX, "max"),
    (ARGMAX, "argmax"),
    (ARGSORT, "argsort"),
    (RESHAPE, "reshape"),
    (PERMUTE, "permute"),
    (NARROW, "narrow"),
    (CONCAT, "concat"),
    (PAD, "pad"),
    (EXPAND, "expand"),
    (GATHER, "gather"),
    (INDEX_SELECT, "index-select"),
    (SCATTER_ADD, "scatter-add"),
    (MATMUL, "matmul"),
    (CONV2D, "conv2d"),
    (INTERPOLATE, "interpolate"),
    (LINEAR, "linear"),
    (SOFTMAX, "softmax"),
    (LAYER_NORM, "layer-norm"),
    (GELU, "gelu"),
    (SILU, "silu"),
    (ATTENTION, "attention"),
    (SELF_ATTENTION, "self-attention"),
    (ATTENTION_PROBS, "attention-probs"),
    (ATTENTION_APPLY, "attention-apply"),
    (RESIDUAL, "residual"),
    (ROW_ENTROPY, "row-entropy"),
    (CROSS_ENTROPY, "cross-entropy"),
    (SUM_SQUARES, "sum-squares"),
    (LERP, "lerp"),
    (ADAMW, "adamw"),
];

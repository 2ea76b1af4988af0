//! How far a result may be from its reference, and how that is measured.

use palimpsest_core::DType;
use palimpsest_core::tensor::{Interpolation, Op};

use crate::array::Array;

/// The distance of two arrays of one shape over the size of the second, in the Euclidean norm. Where the
/// reference is infinite or NaN the other must be the same; else the error is infinite.
pub fn error(got: &Array, want: &Array) -> f64 {
    let (mut difference, mut size) = (0.0, 0.0);
    for (&a, &b) in got.data.iter().zip(&want.data) {
        if b.is_finite() {
            difference += (a - b) * (a - b);
            size += b * b;
        } else if !(a == b || (a.is_nan() && b.is_nan())) {
            return f64::INFINITY;
        }
    }
    match (difference, size) {
        (d, _) if d.is_nan() => f64::INFINITY,
        (0.0, _) => 0.0,
        // A reference of zeros: the plain distance.
        (d, 0.0) => d.sqrt(),
        (d, s) => (d / s).sqrt(),
    }
}

/// Half the distance of 1 and the next larger number: what one rounding can do.
pub(crate) fn rounding(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => 2f64.powi(-24),
        DType::F64 => 2f64.powi(-53),
        DType::Bf16 => 2f64.powi(-8),
        DType::I64 | DType::Bool | DType::U8 => 0.0,
    }
}

/// How many roundings a result may be off.
enum Roundings {
    /// The elements are moved, compared or negated: nothing is rounded.
    None,
    /// One operation of IEEE 754, or a few.
    Few,
    /// A function that libraries approximate, often with vector code good to some units in the last place.
    Function,
    /// A sum of up to some thousand terms, in any order. Equal terms that are added one after another are all
    /// rounded the same way: that is the worst.
    Sum,
    /// Several sums and functions one after another.
    Chain,
}

fn roundings(op: &Op) -> Roundings {
    match op {
        Op::Full { .. }
        | Op::RandomNormal { .. }
        | Op::RandomUniform { .. }
        | Op::Neg
        | Op::Abs
        | Op::Clamp { .. }
        | Op::Equal
        | Op::Less
        | Op::Where
        | Op::Cast { .. }
        | Op::Max { .. }
        | Op::Argmax { .. }
        | Op::Argsort { .. }
        | Op::Reshape { .. }
        | Op::Permute { .. }
        | Op::Narrow { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Expand { .. }
        | Op::Gather { .. }
        | Op::IndexSelect { .. }
        | Op::Interpolate { mode: Interpolation::Nearest, .. } => Roundings::None,
        Op::Sqrt | Op::AddScalar { .. } | Op::MulScalar { .. } | Op::Add | Op::Sub | Op::Mul | Op::Div => {
            Roundings::Few
        }
        Op::Exp
        | Op::Log
        | Op::Tanh
        | Op::Erf
        | Op::Sin
        | Op::Cos
        | Op::PowScalar { .. }
        | Op::Interpolate { .. } => Roundings::Function,
        Op::Sum { .. } | Op::Mean { .. } | Op::ScatterAdd { .. } | Op::Matmul | Op::Conv2d { .. } => {
            Roundings::Sum
        }
        Op::Linear
        | Op::Softmax
        | Op::LayerNorm { .. }
        | Op::Gelu
        | Op::Silu
        | Op::Attention { .. }
        | Op::SelfAttention { .. }
        | Op::AttentionProbs { .. }
        | Op::AttentionApply { .. }
        | Op::Residual { .. }
        | Op::RowEntropy
        | Op::CrossEntropy { .. }
        | Op::SumSquares
        | Op::Lerp { .. }
        | Op::Adamw { .. } => Roundings::Chain,
    }
}

/// The largest error of an operation's results in a type.
pub fn limit(op: &Op, dtype: DType) -> f64 {
    let count = match (dtype, roundings(op)) {
        (_, Roundings::None) => 0.0,
        // Whatever happens inside in f32 is rounded once at the end; bfloat16 sums may be kept in bfloat16
        // between blocks, and core's lowering rounds after each primitive.
        (DType::Bf16, Roundings::Few | Roundings::Function) => 2.0,
        (DType::Bf16, Roundings::Sum) => 4.0,
        (DType::Bf16, Roundings::Chain) => 16.0,
        (_, Roundings::Few) => 4.0,
        (_, Roundings::Function) => 32.0,
        (_, Roundings::Sum) => 512.0,
        (_, Roundings::Chain) => 128.0,
    };
    count * rounding(dtype)
}

/// The largest error of a gradient in a type: in f64 that of the central differences themselves, whose
/// remainder and rounding at a step of 2e-3 are near 1e-10; in f32 that of a chain of sums; in bfloat16 some
/// roundings more than forward, as the upstream gradient is rounded on its way too.
pub fn gradient_limit(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-6,
        DType::Bf16 => 16.0 * rounding(dtype),
        _ => 1e-4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(data: &[f64]) -> Array {
        Array { shape: vec![data.len()], data: data.to_vec() }
    }

    #[test]
    fn errors_are_relative_to_the_whole() {
        assert_eq!(error(&array(&[3.0, 4.5]), &array(&[3.0, 4.0])), 0.1);
        assert_eq!(error(&array(&[0.5]), &array(&[0.0])), 0.5);
        assert_eq!(error(&array(&[]), &array(&[])), 0.0);
        let inf = f64::INFINITY;
        assert_eq!(error(&array(&[inf, f64::NAN]), &array(&[inf, f64::NAN])), 0.0);
        assert_eq!(error(&array(&[f64::NAN]), &array(&[1.0])), inf);
        assert_eq!(error(&array(&[1.0]), &array(&[inf])), inf);
        assert_eq!(error(&array(&[inf]), &array(&[1.0])), inf);
    }
}

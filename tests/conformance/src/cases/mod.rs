//! What each operation is tried on: usual shapes, primes and ones, nothing at all, broadcasts.

mod attention;
mod elementwise;
mod fused;
mod index;
mod layout;
mod make;
mod product;
mod reduction;

use palimpsest_core::DType;
use palimpsest_core::tensor::{Op, OpKind};

use crate::case::Case;
use make::Make;

/// The cases of an operation on elements of a type. There is no wildcard: a new operation needs cases before
/// this compiles. The random ones have none; see [`random`](crate::random).
pub fn cases(kind: OpKind, dtype: DType) -> Vec<Case> {
    let make = Make { dtype };
    match kind {
        OpKind::RandomNormal | OpKind::RandomUniform => vec![],
        OpKind::Full => layout::full(make),

        OpKind::Neg => elementwise::everywhere(make, &Op::Neg),
        OpKind::Exp => elementwise::everywhere(make, &Op::Exp),
        OpKind::Log => elementwise::positive(make, &Op::Log),
        OpKind::Sqrt => elementwise::positive(make, &Op::Sqrt),
        OpKind::Tanh => elementwise::everywhere(make, &Op::Tanh),
        OpKind::Erf => elementwise::everywhere(make, &Op::Erf),
        OpKind::Abs => elementwise::everywhere(make, &Op::Abs),
        OpKind::Sin => elementwise::everywhere(make, &Op::Sin),
        OpKind::Cos => elementwise::everywhere(make, &Op::Cos),
        OpKind::Gelu => elementwise::everywhere(make, &Op::Gelu),
        OpKind::Silu => elementwise::everywhere(make, &Op::Silu),
        OpKind::AddScalar => elementwise::everywhere(make, &Op::AddScalar { value: 0.375 }),
        OpKind::MulScalar => elementwise::everywhere(make, &Op::MulScalar { value: -1.5 }),
        OpKind::PowScalar => elementwise::pow(make),
        OpKind::Clamp => elementwise::clamp(make),
        OpKind::Add => elementwise::pairs(make, &Op::Add),
        OpKind::Sub => elementwise::pairs(make, &Op::Sub),
        OpKind::Mul => elementwise::pairs(make, &Op::Mul),
        OpKind::Div => elementwise::pairs(make, &Op::Div),
        OpKind::Equal => elementwise::comparisons(make, &Op::Equal),
        OpKind::Less => elementwise::comparisons(make, &Op::Less),
        OpKind::Where => elementwise::choices(make),
        OpKind::Cast => elementwise::casts(make),

        OpKind::Sum => reduction::over_axes(make, |axes| Op::Sum { axes }),
        OpKind::Mean => reduction::over_axes(make, |axes| Op::Mean { axes }),
        OpKind::Max => reduction::along(make, |axis| Op::Max { axis }),
        OpKind::Argmax => reduction::along(make, |axis| Op::Argmax { axis }),
        OpKind::Argsort => reduction::orders(make),
        OpKind::SumSquares => reduction::whole(make, &Op::SumSquares),

        OpKind::Reshape => layout::reshape(make),
        OpKind::Permute => layout::permute(make),
        OpKind::Narrow => layout::narrow(make),
        OpKind::Concat => layout::concat(make),
        OpKind::Pad => layout::pad(make),
        OpKind::Expand => layout::expand(make),
        OpKind::Gather => index::gather(make),
        OpKind::IndexSelect => index::select(make),
        OpKind::ScatterAdd => index::scatter_add(make),

        OpKind::Matmul => product::matmul(make),
        OpKind::Conv2d => product::conv2d(make),
        OpKind::Interpolate => product::interpolate(make),
        OpKind::Linear => product::linear(make),

        OpKind::Softmax => fused::softmax(make),
        OpKind::LayerNorm => fused::layer_norm(make),
        OpKind::Residual => fused::residual(make),
        OpKind::RowEntropy => fused::row_entropy(make),
        OpKind::CrossEntropy => fused::cross_entropy(make),
        OpKind::Lerp => fused::lerp(make),
        OpKind::Adamw => fused::adamw(make),

        OpKind::Attention => attention::cross(make),
        OpKind::SelfAttention => attention::packed(make, &Op::SelfAttention { heads: 3 }),
        OpKind::AttentionProbs => attention::packed(make, &Op::AttentionProbs { heads: 3 }),
        OpKind::AttentionApply => attention::apply(make),
    }
}

/// Whether an operation is defined on elements of a type.
pub fn is_defined(kind: OpKind, dtype: DType) -> bool {
    let any_type = matches!(
        kind,
        OpKind::Full
            | OpKind::Equal
            | OpKind::Less
            | OpKind::Where
            | OpKind::Cast
            | OpKind::Reshape
            | OpKind::Permute
            | OpKind::Narrow
            | OpKind::Concat
            | OpKind::Pad
            | OpKind::Expand
            | OpKind::Gather
            | OpKind::IndexSelect
    );
    match dtype {
        DType::F32 | DType::F64 | DType::Bf16 => true,
        DType::I64 => any_type || kind == OpKind::ScatterAdd,
        DType::Bool => any_type,
        DType::U8 => kind == OpKind::Cast,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn every_operation_has_cases_that_its_reference_takes() {
        for &kind in OpKind::ALL {
            for dtype in [DType::F32, DType::F64, DType::Bf16, DType::I64, DType::Bool, DType::U8] {
                if !is_defined(kind, dtype) {
                    continue;
                }
                let cases = cases(kind, dtype);
                let random = matches!(kind, OpKind::RandomNormal | OpKind::RandomUniform);
                assert_eq!(cases.is_empty(), random, "{}", kind.name());
                for case in cases {
                    assert_eq!(case.op.kind(), kind, "{}", case.title());
                    assert!(reference::evaluate(&case.op, &case.arrays()).is_some());
                    for input in &case.inputs {
                        let held = input.array.rounded(input.dtype);
                        assert!(held.same(&input.array), "{} {}: not held", kind.name(), case.title());
                    }
                }
            }
        }
    }
}

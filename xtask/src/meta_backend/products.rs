//! The matrix products inside an operation.

use palimpsest_core::tensor::{Op, Shape};

/// A matrix product inside an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Product {
    /// Floating-point operations; a factor's gradient takes as many.
    pub(super) flops: u64,
    /// For each factor the inputs that it is made of.
    pub(super) factors: [&'static [usize]; 2],
}

/// The products of an operation on inputs of these shapes, which core has found to fit.
pub(super) fn products(op: &Op, inputs: &[&Shape], out: &Shape) -> Vec<Product> {
    let product = |extents: &[usize], factors| Product {
        flops: 2 * extents.iter().map(|&extent| extent as u64).product::<u64>(),
        factors,
    };
    let last = |shape: &Shape| shape.last().copied().unwrap_or(1);
    match op {
        Op::Matmul => vec![product(&[out.count(), last(inputs[0])], [&[0], &[1]])],
        Op::Linear => vec![product(&[out.count(), last(inputs[0])], [&[0], &[1]])],
        Op::Conv2d { .. } => {
            let kernel = inputs[1].iter().skip(1).product();
            vec![product(&[out.count(), kernel], [&[0], &[1]])]
        }
        Op::Attention { .. } => {
            let extents = [inputs[0].count(), inputs[1][1]];
            vec![product(&extents, [&[0], &[1]]), product(&extents, [&[0, 1, 3], &[2]])]
        }
        Op::SelfAttention { .. } => {
            let extents = [out.count(), inputs[0][1]];
            vec![product(&extents, [&[0], &[0]]), product(&extents, [&[0, 1], &[0]])]
        }
        Op::AttentionProbs { .. } => {
            let [b, n, width] = [inputs[0][0], inputs[0][1], inputs[0][2] / 3];
            vec![product(&[b, n, n, width], [&[0], &[0]])]
        }
        Op::AttentionApply { .. } => vec![product(&[out.count(), inputs[1][1]], [&[0], &[1]])],
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_count_two_for_each_multiplication_and_addition() {
        let count = |op: &Op, inputs: &[&[usize]]| -> Vec<u64> {
            let shapes: Vec<Shape> = inputs.iter().map(|&dims| Shape::from(dims)).collect();
            let shapes: Vec<&Shape> = shapes.iter().collect();
            let signatures: Vec<_> = shapes.iter().map(|&s| (s, palimpsest_core::DType::F32)).collect();
            let out = op.infer(&signatures).expect("they fit").remove(0).0;
            products(op, &shapes, &out).iter().map(|product| product.flops).collect()
        };
        assert_eq!(count(&Op::Matmul, &[&[3, 5], &[5, 7]]), [2 * 3 * 5 * 7]);
        // The second factor is used for each of the first's two matrices.
        assert_eq!(count(&Op::Matmul, &[&[2, 3, 5], &[5, 7]]), [2 * 2 * 3 * 5 * 7]);
        assert_eq!(count(&Op::Linear, &[&[2, 3, 5], &[7, 5], &[7]]), [2 * 6 * 5 * 7]);
        let conv = Op::Conv2d { stride: 2, padding: 0 };
        assert_eq!(count(&conv, &[&[2, 3, 8, 6], &[5, 3, 2, 2]]), [2 * (2 * 5 * 4 * 3) * (3 * 2 * 2)]);
        let whole = 2 * 2 * 3 * 7 * 8;
        assert_eq!(count(&Op::Attention { heads: 4 }, &[&[2, 3, 8], &[2, 7, 8], &[2, 7, 8]]), [whole, whole]);
        let square = 2 * 2 * 5 * 5 * 8;
        assert_eq!(count(&Op::SelfAttention { heads: 4 }, &[&[2, 5, 24]]), [square, square]);
        assert_eq!(count(&Op::AttentionProbs { heads: 4 }, &[&[2, 5, 24]]), [square]);
        assert_eq!(count(&Op::AttentionApply { heads: 4 }, &[&[2, 4, 5, 5], &[2, 5, 24]]), [square]);
        assert!(count(&Op::Gelu, &[&[100]]).is_empty());
    }
}

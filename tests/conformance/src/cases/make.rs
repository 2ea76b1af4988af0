//! Makes inputs of the type under test.

use palimpsest_core::DType;
use palimpsest_core::tensor::Op;

use crate::array::Array;
use crate::case::{Case, Input};

/// Makes inputs of a type.
#[derive(Clone, Copy)]
pub(super) struct Make {
    pub(super) dtype: DType,
}

impl Make {
    /// Values of every kind that the type has, (-2, 2) for floats.
    pub(super) fn values(self, shape: &[usize], seed: u64) -> Input {
        let x = Array::random(shape, seed);
        self.of(match self.dtype {
            DType::F32 | DType::F64 | DType::Bf16 => x,
            DType::I64 => x.map(|v| (3.0 * v).round() + 0.0),
            DType::Bool => x.map(|v| f64::from(u8::from(v > 0.0))),
            DType::U8 => x.map(|v| (64.0 * (v + 2.0)).floor()),
        })
    }

    /// These elements, rounded to the type.
    pub(super) fn of(self, array: Array) -> Input {
        Input { array: array.rounded(self.dtype), dtype: self.dtype }
    }

    /// Values in (0.5, 4.5).
    pub(super) fn positive(self, shape: &[usize], seed: u64) -> Input {
        self.of(Array::random(shape, seed).map(|v| v + 2.5))
    }

    /// Values in (-4.5, -0.5) and (0.5, 4.5): divisors.
    pub(super) fn apart_from_zero(self, shape: &[usize], seed: u64) -> Input {
        self.of(Array::random(shape, seed).map(|v| v + 2.5f64.copysign(v)))
    }

    /// Values of which no two in a tensor of up to 200 elements are nearer than a hundredth, in any float type.
    pub(super) fn distinct(self, shape: &[usize]) -> Input {
        let count: usize = shape.iter().product();
        // 67 is prime to every count that is used, so that the order is scrambled and nothing repeats.
        let mut i = 0;
        self.of(Array::build(shape, |_| {
            i += 67;
            (i % count.max(1)) as f64 / 64.0 - 1.0
        }))
    }

    /// Small whole numbers, plenty of them equal.
    pub(super) fn tied(self, shape: &[usize], seed: u64) -> Input {
        self.of(Array::random(shape, seed).map(|v| (2.0 * v).round() + 0.0))
    }

    /// A case that gives no gradients.
    pub(super) fn case(self, name: &'static str, op: &Op, inputs: Vec<Input>) -> Case {
        Case { name, op: op.clone(), inputs, smooth: false }
    }

    /// A small case whose gradients are compared.
    pub(super) fn smooth(self, name: &'static str, op: &Op, inputs: Vec<Input>) -> Case {
        Case { name, op: op.clone(), inputs, smooth: true }
    }
}

/// Indices in 0..`extent`.
pub(super) fn places(shape: &[usize], extent: usize, seed: u64) -> Input {
    let array = Array::random(shape, seed).map(|v| ((v + 2.0) / 4.0 * extent as f64).floor());
    Input { array, dtype: DType::I64 }
}

/// Truth values.
pub(super) fn bools(shape: &[usize], seed: u64) -> Input {
    Input { array: Array::random(shape, seed).map(|v| f64::from(u8::from(v > 0.0))), dtype: DType::Bool }
}

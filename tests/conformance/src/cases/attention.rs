//! Attention.

use palimpsest_core::DType;
use palimpsest_core::tensor::Op;

use super::make::Make;
use crate::array::Array;
use crate::case::{Case, Input};

/// No weight on the first key.
fn masked(make: Make, shape: &[usize]) -> Input {
    make.of(Array::build(shape, |i| if i[shape.len() - 1] == 0 { f64::NEG_INFINITY } else { 0.0 }))
}

/// A bias in f32 for operands in bfloat16: biases are parameters, which mixed precision leaves wide.
fn wider(make: Make, shape: &[usize]) -> Option<Input> {
    (make.dtype == DType::Bf16).then(|| Make { dtype: DType::F32 }.values(shape, 83))
}

pub(super) fn cross(make: Make) -> Vec<Case> {
    let op = &Op::Attention { heads: 2 };
    let inputs = |b: usize, n: usize, m: usize, d: usize| {
        vec![make.values(&[b, n, d], 80), make.values(&[b, m, d], 81), make.values(&[b, m, d], 82)]
    };
    let with = |bias: Input| [inputs(2, 3, 5, 4), vec![bias]].concat();
    let mut cases = vec![
        make.smooth("usual", op, inputs(2, 3, 5, 4)),
        make.smooth("one token", op, inputs(1, 1, 1, 2)),
        make.smooth("one head", &Op::Attention { heads: 1 }, inputs(1, 2, 3, 3)),
        make.case("longer", op, inputs(2, 67, 131, 26)),
        make.smooth("no batch", op, inputs(0, 3, 5, 4)),
        make.smooth("a key is masked", op, with(masked(make, &[1, 1, 1, 5]))),
    ];
    if let Some(wide) = wider(make, &[1, 2, 3, 5]) {
        cases.push(make.smooth("bias in f32", op, with(wide)));
    }
    for (name, bias) in [
        ("bias", [2, 2, 3, 5]),
        ("bias for all", [1, 2, 3, 5]),
        ("bias of keys", [1, 1, 1, 5]),
        ("bias of queries", [2, 1, 3, 1]),
        ("bias of one", [1, 1, 1, 1]),
    ] {
        cases.push(make.smooth(name, op, with(make.values(&bias, 83))));
    }
    cases
}

/// With three heads.
pub(super) fn packed(make: Make, op: &Op) -> Vec<Case> {
    let bias = |shape: &[usize]| vec![make.values(&[2, 3, 18], 84), make.values(shape, 85)];
    let mut cases = vec![
        make.smooth("usual", op, vec![make.values(&[2, 3, 18], 84)]),
        make.smooth("one token", op, vec![make.values(&[1, 1, 9], 86)]),
        make.smooth("bias", op, bias(&[2, 3, 3, 3])),
        make.smooth("bias of keys", op, bias(&[2, 1, 1, 3])),
        make.smooth("bias for all", op, bias(&[1, 3, 3, 3])),
        make.smooth("a key is masked", op, vec![make.values(&[2, 3, 18], 84), masked(make, &[1, 1, 1, 3])]),
        make.case("longer", op, vec![make.values(&[2, 67, 117], 87)]),
        make.smooth("no batch", op, vec![make.values(&[0, 3, 18], 84)]),
    ];
    if let Some(wide) = wider(make, &[1, 3, 3, 3]) {
        cases.push(make.smooth("bias in f32", op, vec![make.values(&[2, 3, 18], 84), wide]));
    }
    cases
}

pub(super) fn apply(make: Make) -> Vec<Case> {
    let op = &Op::AttentionApply { heads: 2 };
    let inputs =
        |b: usize, n: usize, d: usize| vec![make.values(&[b, 2, n, n], 88), make.values(&[b, n, 3 * d], 89)];
    vec![
        make.smooth("usual", op, inputs(2, 3, 4)),
        make.smooth("one token", op, inputs(1, 1, 2)),
        make.case("longer", op, inputs(2, 67, 26)),
        make.smooth("no batch", op, inputs(0, 3, 4)),
    ]
}

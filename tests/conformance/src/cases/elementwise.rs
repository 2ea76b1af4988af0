//! Functions of elements.

use palimpsest_core::DType;
use palimpsest_core::tensor::Op;

use super::make::{Make, bools};
use crate::array::Array;
use crate::case::{Case, Input};

/// Small shapes; the gradients are compared on the first four.
const SHAPES: [(&str, &[usize]); 6] = [
    ("usual", &[3, 4]),
    ("scalar", &[]),
    ("odd", &[1, 7, 1]),
    ("empty", &[2, 0, 3]),
    ("high rank", &[2, 1, 3, 1, 2]),
    // Beyond a vector register's and a thread's share, with a remainder.
    ("long", &[3, 2741]),
];

fn unary(make: Make, op: &Op, input: impl Fn(&[usize]) -> Input) -> Vec<Case> {
    let cases = SHAPES.iter().enumerate();
    cases
        .map(|(i, (name, shape))| {
            let inputs = vec![input(shape)];
            if i < 4 { make.smooth(name, op, inputs) } else { make.case(name, op, inputs) }
        })
        .collect()
}

/// A function that is smooth everywhere but, for |x|, at 0.
pub(super) fn everywhere(make: Make, op: &Op) -> Vec<Case> {
    let mut cases = unary(make, op, |shape| {
        // From the nearest kink, differences reach 2 h = 0.004 far.
        make.of(Array::random(shape, 1).map(|v| if v.abs() < 0.01 { 0.25 } else { v }))
    });
    let far = Array::random(&[9], 2).map(|v| 6.0 * v);
    cases.push(make.case("far from zero", op, vec![make.of(far)]));
    cases
}

/// A function of positive numbers.
pub(super) fn positive(make: Make, op: &Op) -> Vec<Case> {
    unary(make, op, |shape| make.positive(shape, 1))
}

pub(super) fn pow(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    for value in [2.0, 0.5, -0.5, 3.0, 1.0, 0.0] {
        cases.extend(positive(make, &Op::PowScalar { value }));
    }
    cases.push(make.smooth("square of negatives", &Op::PowScalar { value: 2.0 }, vec![make.values(&[7], 3)]));
    cases
}

pub(super) fn clamp(make: Make) -> Vec<Case> {
    let op = Op::Clamp { min: -0.5, max: 1.0 };
    let aside = |v: f64| if (v + 0.5).abs() < 0.02 || (v - 1.0).abs() < 0.02 { 0.25 } else { v };
    unary(make, &op, |shape| make.of(Array::random(shape, 1).map(aside)))
}

const PAIRS: [(&str, &[usize], &[usize]); 11] = [
    ("usual", &[3, 4], &[3, 4]),
    ("row", &[3, 5], &[5]),
    ("row first", &[5], &[3, 5]),
    ("both broadcast", &[4, 1, 3], &[2, 1]),
    ("scalar", &[2, 3], &[]),
    ("scalar first", &[], &[2, 3]),
    ("two scalars", &[], &[]),
    ("rank 6", &[2, 1, 3, 1, 2, 1], &[1, 2, 1, 2, 1, 2]),
    ("empty", &[0, 3], &[1, 3]),
    ("high rank", &[2, 1, 4, 1], &[3, 1, 5]),
    ("long", &[1, 2741], &[2, 2741]),
];

/// Arithmetic on two tensors.
pub(super) fn pairs(make: Make, op: &Op) -> Vec<Case> {
    let case = |(i, (name, a, b)): (usize, &(&'static str, &[usize], &[usize]))| {
        let inputs = vec![make.values(a, 2), make.apart_from_zero(b, 3)];
        if i < 8 { make.smooth(name, op, inputs) } else { make.case(name, op, inputs) }
    };
    PAIRS.iter().enumerate().map(case).collect()
}

/// Comparisons, of values that are often equal.
pub(super) fn comparisons(make: Make, op: &Op) -> Vec<Case> {
    let case = |(name, a, b): &(&'static str, &[usize], &[usize])| {
        make.case(name, op, vec![make.tied(a, 4), make.tied(b, 5)])
    };
    PAIRS.iter().map(case).collect()
}

pub(super) fn choices(make: Make) -> Vec<Case> {
    let shapes: [(&str, [&[usize]; 3]); 6] = [
        ("usual", [&[3, 4], &[3, 4], &[3, 4]]),
        ("condition broadcast", [&[3, 1], &[3, 4], &[4]]),
        ("values broadcast", [&[2, 3, 4], &[1, 4], &[]]),
        ("all broadcast", [&[2, 1], &[3], &[4, 1, 1]]),
        ("scalar", [&[], &[], &[]]),
        ("empty", [&[0, 3], &[0, 3], &[3]]),
    ];
    let cases = shapes.iter();
    cases
        .map(|(name, [condition, a, b])| {
            let inputs = vec![bools(condition, 8), make.values(a, 6), make.values(b, 7)];
            make.smooth(name, &Op::Where, inputs)
        })
        .collect()
}

pub(super) fn casts(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::F64, DType::Bf16, DType::I64, DType::Bool] {
        let op = Op::Cast { dtype };
        let name = match dtype {
            DType::F32 => "to f32",
            DType::F64 => "to f64",
            DType::Bf16 => "to bf16",
            DType::I64 => "to i64",
            DType::Bool => "to bool",
            DType::U8 => "to u8",
        };
        if make.dtype == DType::U8 && !dtype.is_float() {
            continue;
        }
        for shape in [&[3usize, 7][..], &[], &[0, 2]] {
            let inputs = vec![make.values(shape, 9)];
            let smooth = make.dtype.is_float() && dtype.is_float();
            cases.push(if smooth { make.smooth(name, &op, inputs) } else { make.case(name, &op, inputs) });
        }
        // Halves and zeros of both signs, exact in every type: rounding toward zero shows.
        let halves = Array { shape: vec![7], data: vec![-2.5, -0.5, -0.0, 0.0, 0.5, 1.5, 300.0] };
        if make.dtype == DType::U8 {
            let every = Array::build(&[16, 16], |i| (16 * i[0] + i[1]) as f64);
            cases.push(make.case(name, &op, vec![make.of(every)]));
            continue;
        }
        cases.push(make.case(name, &op, vec![make.of(halves)]));
    }
    cases
}

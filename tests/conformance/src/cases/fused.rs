//! Fused operations but for products and attention.

use palimpsest_core::tensor::{AdamwRates, Op};

use super::make::{Make, places};
use crate::array::Array;
use crate::case::{Case, Input};

/// Positive rows that sum to 1, up to the type's rounding; none is so small that the steps of differences come
/// near zero.
fn probabilities(make: Make, shape: &[usize], seed: u64) -> Input {
    let e = Array::random(shape, seed).map(|v| (0.25 * v).exp());
    make.of(e.zip(&e.sum(&[shape.len() - 1]), |a, b| a / b))
}

pub(super) fn softmax(make: Make) -> Vec<Case> {
    let op = &Op::Softmax;
    vec![
        make.smooth("usual", op, vec![make.values(&[3, 5], 50)]),
        make.smooth("odd", op, vec![make.values(&[2, 1, 7], 51)]),
        make.smooth("one entry", op, vec![make.values(&[3, 1], 52)]),
        make.smooth("vector", op, vec![make.values(&[4], 53)]),
        make.case("long rows", op, vec![make.values(&[5, 397], 54)]),
        // e^200 is beyond f32: the largest must be taken off first.
        make.case("large", op, vec![make.of(Array::random(&[3, 5], 55).map(|v| 100.0 * v))]),
        make.smooth("no rows", op, vec![make.values(&[0, 3], 56)]),
        make.smooth("no entries", op, vec![make.values(&[3, 0], 57)]),
    ]
}

pub(super) fn layer_norm(make: Make) -> Vec<Case> {
    let inputs = |shape: &[usize]| {
        let last = &shape[shape.len() - 1..];
        vec![make.values(shape, 60), make.values(last, 61), make.values(last, 62)]
    };
    vec![
        make.smooth("usual", &Op::LayerNorm { eps: 1e-5 }, inputs(&[2, 3, 5])),
        make.smooth("odd", &Op::LayerNorm { eps: 1e-6 }, inputs(&[1, 7])),
        make.smooth("vector", &Op::LayerNorm { eps: 1e-2 }, inputs(&[4])),
        make.smooth("one entry", &Op::LayerNorm { eps: 1e-2 }, inputs(&[3, 1])),
        make.case("long rows", &Op::LayerNorm { eps: 1e-6 }, inputs(&[5, 397])),
        make.smooth("empty", &Op::LayerNorm { eps: 1e-5 }, inputs(&[0, 4])),
    ]
}

pub(super) fn residual(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    for (gain, keep) in [(false, false), (true, false), (false, true), (true, true)] {
        for (name, [b, n, d]) in [("usual", [2, 3, 4]), ("odd", [3, 1, 1]), ("empty", [0, 3, 2])] {
            let mut inputs = vec![make.values(&[b, n, d], 63), make.values(&[b, n, d], 64)];
            inputs.extend(gain.then(|| make.values(&[d], 65)));
            inputs.extend(keep.then(|| make.values(&[b, 1, 1], 66)));
            cases.push(make.smooth(name, &Op::Residual { gain, keep }, inputs));
        }
    }
    cases
}

pub(super) fn row_entropy(make: Make) -> Vec<Case> {
    let op = &Op::RowEntropy;
    let certain = Array { shape: vec![2, 3], data: vec![0.0, 1.0, 0.0, 0.5, 0.0, 0.5] };
    vec![
        make.smooth("usual", op, vec![probabilities(make, &[2, 3, 4], 67)]),
        make.smooth("odd", op, vec![probabilities(make, &[7, 1], 68)]),
        make.case("zeros", op, vec![make.of(certain)]),
        make.case("long rows", op, vec![probabilities(make, &[5, 397], 69)]),
        make.smooth("empty", op, vec![make.of(Array::filled(&[0, 3], 0.0))]),
    ]
}

pub(super) fn cross_entropy(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    for smoothing in [0.0, 0.1] {
        let op = Op::CrossEntropy { smoothing };
        for (name, [b, c]) in [("usual", [5, 4]), ("one row", [1, 7]), ("one class", [3, 1])] {
            cases.push(make.smooth(name, &op, vec![make.values(&[b, c], 70), places(&[b], c, 71)]));
        }
        cases.push(make.case("many classes", &op, vec![make.values(&[7, 397], 72), places(&[7], 397, 73)]));
    }
    cases
}

pub(super) fn lerp(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    for weight in [0.25, 0.0, 1.0] {
        let op = Op::Lerp { weight };
        for (name, shape) in [("usual", &[3usize, 4][..]), ("scalar", &[]), ("empty", &[2, 0])] {
            cases.push(make.smooth(name, &op, vec![make.values(shape, 74), make.values(shape, 75)]));
        }
    }
    cases
}

pub(super) fn adamw(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    // The learning rate is in the factor, so that a view that repeats it is a step that is left out.
    for (step, decay, scale, average) in
        [(1, 0.05, 1.0, None), (2, 0.0, 0.5, Some(0.25)), (1000, 0.05, 0.125, Some(0.0))]
    {
        let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay, factor: 1e-2 };
        let rates = AdamwRates { scale, average: average.unwrap_or(0.5), ..AdamwRates::new(1.0, step) };
        let inputs = |shape: &[usize], rates: AdamwRates| {
            let second = make.of(Array::random(shape, 79).map(|v| v * v + 0.1));
            let array = Array { shape: vec![AdamwRates::COUNT], data: rates.elements().to_vec() };
            let rates = Input { array, dtype: AdamwRates::dtype(make.dtype) };
            let mut inputs =
                vec![make.values(shape, 76), make.values(shape, 77), make.values(shape, 78), second, rates];
            inputs.extend(average.map(|_| make.values(shape, 80)));
            inputs
        };
        for (name, shape) in [
            ("usual", &[3usize, 4][..]),
            ("odd", &[1, 7, 1]),
            ("scalar", &[]),
            ("long", &[3, 2741]),
            // Beyond what one thread is given.
            ("many", &[if step < 1000 { 70_001 } else { 2 }]),
            ("empty", &[0]),
        ] {
            cases.push(make.case(name, &op, inputs(shape, rates)));
        }
        // As after a loss that is not finite: nothing of the gradient may be left anywhere.
        let mut skipped = inputs(&[3, 4], AdamwRates { skip: true, scale: f64::NAN, ..rates });
        skipped[1].array = Array::filled(&[3, 4], f64::NAN);
        cases.push(make.case("left out", &op, skipped));
    }
    cases
}

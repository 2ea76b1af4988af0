//! Reductions and orders.

use palimpsest_core::tensor::Op;

use super::make::Make;
use crate::case::Case;

pub(super) fn over_axes(make: Make, op: impl Fn(Vec<usize>) -> Op) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, shape) in [("usual", &[3usize, 2, 4][..]), ("odd", &[1, 7]), ("vector", &[5]), ("scalar", &[])]
    {
        for set in 0..1usize << shape.len() {
            let axes = (0..shape.len()).filter(|axis| set >> axis & 1 == 1).collect();
            cases.push(make.smooth(name, &op(axes), vec![make.values(shape, 10)]));
        }
    }
    for axes in [vec![], vec![0], vec![1], vec![0, 1]] {
        cases.push(make.case("empty", &op(axes), vec![make.values(&[0, 3], 10)]));
    }
    cases.push(make.case("rank 6", &op(vec![0, 2, 3, 5]), vec![make.values(&[2, 3, 2, 4, 3, 4], 10)]));
    cases.push(make.case("long rows", &op(vec![1]), vec![make.values(&[3, 2741], 11)]));
    cases.push(make.case("long columns", &op(vec![0]), vec![make.values(&[2741, 3], 12)]));
    cases
}

/// All elements to a scalar.
pub(super) fn whole(make: Make, op: &Op) -> Vec<Case> {
    vec![
        make.smooth("usual", op, vec![make.values(&[3, 4], 10)]),
        make.smooth("scalar", op, vec![make.values(&[], 10)]),
        make.smooth("odd", op, vec![make.values(&[1, 7, 1], 10)]),
        make.smooth("empty", op, vec![make.values(&[2, 0], 10)]),
        make.case("long", op, vec![make.values(&[3, 2741], 11)]),
    ]
}

pub(super) fn along(make: Make, op: impl Fn(usize) -> Op) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, shape) in [("usual", &[3usize, 2, 4][..]), ("odd", &[7, 1]), ("vector", &[5])] {
        for axis in 0..shape.len() {
            cases.push(make.smooth(name, &op(axis), vec![make.distinct(shape)]));
            cases.push(make.case("ties", &op(axis), vec![make.tied(shape, 13)]));
        }
    }
    cases.push(make.case("empty", &op(1), vec![make.values(&[0, 3], 13)]));
    cases.push(make.case("long ties", &op(1), vec![make.tied(&[3, 701], 14)]));
    cases.push(make.case("long ties between", &op(1), vec![make.tied(&[4, 70, 3], 14)]));
    cases.push(make.case("long ties in columns", &op(0), vec![make.tied(&[701, 3], 14)]));
    cases
}

pub(super) fn orders(make: Make) -> Vec<Case> {
    let order = |descending| along(make, move |axis| Op::Argsort { axis, descending });
    let mut cases = order(false);
    cases.extend(order(true));
    cases.push(make.case(
        "nothing to sort",
        &Op::Argsort { axis: 1, descending: false },
        vec![make.values(&[2, 0], 13)],
    ));
    cases
}

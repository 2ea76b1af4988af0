//! Elements at given indices.

use palimpsest_core::tensor::Op;

use super::make::{Make, places};
use crate::case::Case;

/// Shape, axis, and how many indices along it; the last takes nothing.
const ALONG: [(&str, &[usize], usize, usize); 6] = [
    ("first axis", &[3, 4], 0, 5),
    ("last axis", &[3, 4], 1, 2),
    ("middle axis", &[2, 5, 3], 1, 4),
    ("odd", &[1, 7, 1], 1, 3),
    ("vector", &[6], 0, 6),
    ("no indices", &[3, 2], 0, 0),
];

fn with(shape: &[usize], axis: usize, extent: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape[axis] = extent;
    shape
}

pub(super) fn gather(make: Make) -> Vec<Case> {
    let case = |(name, shape, axis, count): (&'static str, &[usize], usize, usize)| {
        let at = places(&with(shape, axis, count), shape[axis], 31);
        make.smooth(name, &Op::Gather { axis }, vec![make.values(shape, 30), at])
    };
    ALONG.into_iter().map(case).collect()
}

pub(super) fn select(make: Make) -> Vec<Case> {
    let case = |(name, shape, axis, count): (&'static str, &[usize], usize, usize)| {
        let at = places(&[count], shape[axis], 33);
        make.smooth(name, &Op::IndexSelect { axis }, vec![make.values(shape, 32), at])
    };
    ALONG.into_iter().map(case).collect()
}

pub(super) fn scatter_add(make: Make) -> Vec<Case> {
    let case = |(name, shape, axis, count): (&'static str, &[usize], usize, usize)| {
        let from = with(shape, axis, count);
        let inputs = vec![make.values(shape, 34), places(&from, shape[axis], 35), make.values(&from, 36)];
        make.smooth(name, &Op::ScatterAdd { axis }, inputs)
    };
    ALONG.into_iter().map(case).collect()
}

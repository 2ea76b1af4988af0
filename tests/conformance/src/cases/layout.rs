//! The same elements elsewhere, and tensors of one value.

use palimpsest_core::tensor::Op;
use palimpsest_core::{DType, Shape};

use super::make::Make;
use crate::case::Case;

pub(super) fn full(make: Make) -> Vec<Case> {
    let case = |(name, shape, value): (&'static str, &[usize], f64)| {
        make.case(name, &Op::Full { shape: Shape::from(shape), value, dtype: make.dtype }, vec![])
    };
    let cases: [(&str, &[usize], f64); 5] = [
        ("usual", &[3, 4], 2.5),
        ("scalar", &[], -1.0),
        ("odd", &[1, 7, 1], 0.0),
        ("empty", &[2, 0], 1.0),
        ("a third", &[5], 1.0 / 3.0),
    ];
    cases.into_iter().map(case).collect()
}

pub(super) fn reshape(make: Make) -> Vec<Case> {
    let shapes: [(&str, &[usize], &[usize]); 7] = [
        ("usual", &[2, 3, 4], &[4, 6]),
        ("flat", &[3, 5], &[15]),
        ("more axes", &[6], &[1, 2, 1, 3]),
        ("to a scalar", &[1, 1], &[]),
        ("from a scalar", &[], &[1]),
        ("the same", &[3, 4], &[3, 4]),
        ("empty", &[2, 0, 3], &[0, 7]),
    ];
    let case = |(name, from, to): (&'static str, &[usize], &[usize])| {
        make.smooth(name, &Op::Reshape { shape: Shape::from(to) }, vec![make.values(from, 20)])
    };
    shapes.into_iter().map(case).collect()
}

pub(super) fn permute(make: Make) -> Vec<Case> {
    let orders: [(&str, &[usize], &[usize]); 7] = [
        ("usual", &[2, 3, 4], &[2, 0, 1]),
        ("transpose", &[3, 5], &[1, 0]),
        ("the same", &[3, 5], &[0, 1]),
        ("odd", &[1, 7, 1, 2], &[3, 1, 0, 2]),
        // As an encoder cuts an image into patches.
        ("patches", &[2, 1, 2, 2, 3, 2], &[0, 2, 4, 1, 3, 5]),
        ("scalar", &[], &[]),
        ("empty", &[2, 0, 3], &[1, 2, 0]),
    ];
    let case = |(name, shape, axes): (&'static str, &[usize], &[usize])| {
        make.smooth(name, &Op::Permute { axes: axes.to_vec() }, vec![make.values(shape, 21)])
    };
    orders.into_iter().map(case).collect()
}

pub(super) fn narrow(make: Make) -> Vec<Case> {
    let parts: [(&str, &[usize], [usize; 3]); 6] = [
        ("usual", &[2, 3, 4], [1, 1, 2]),
        ("first axis", &[5, 3], [0, 2, 3]),
        ("last axis", &[3, 7], [1, 1, 5]),
        ("all", &[3, 4], [1, 0, 4]),
        ("nothing", &[3, 4], [1, 2, 0]),
        ("empty", &[0, 4], [1, 1, 2]),
    ];
    let case = |(name, shape, [axis, start, len]): (&'static str, &[usize], [usize; 3])| {
        make.smooth(name, &Op::Narrow { axis, start, len }, vec![make.values(shape, 22)])
    };
    parts.into_iter().map(case).collect()
}

pub(super) fn concat(make: Make) -> Vec<Case> {
    let parts: [(&str, usize, &[&[usize]]); 6] = [
        ("usual", 1, &[&[2, 3, 4], &[2, 1, 4]]),
        ("three", 0, &[&[1, 3], &[2, 3], &[5, 3]]),
        ("last axis", 1, &[&[3, 2], &[3, 5]]),
        ("one", 0, &[&[3, 2]]),
        ("one is empty", 1, &[&[2, 3], &[2, 0], &[2, 1]]),
        ("empty", 0, &[&[0, 3], &[0, 3]]),
    ];
    let case = |(name, axis, shapes): (&'static str, usize, &[&[usize]])| {
        let inputs = shapes.iter().zip(23..).map(|(shape, seed)| make.values(shape, seed)).collect();
        make.smooth(name, &Op::Concat { axis }, inputs)
    };
    parts.into_iter().map(case).collect()
}

pub(super) fn pad(make: Make) -> Vec<Case> {
    let borders: [(&str, &[usize], [usize; 3]); 6] = [
        ("usual", &[2, 3, 4], [1, 2, 1]),
        ("before", &[3, 5], [0, 1, 0]),
        ("after", &[3, 5], [1, 0, 2]),
        ("no border", &[3, 5], [1, 0, 0]),
        ("nothing inside", &[2, 0, 3], [1, 1, 2]),
        ("empty", &[0, 3], [1, 1, 1]),
    ];
    let case = |(name, shape, [axis, before, after]): (&'static str, &[usize], [usize; 3])| {
        let value = match make.dtype {
            DType::Bool => 1.0,
            DType::I64 => 9.0,
            _ => -0.5,
        };
        let op = Op::Pad { axis, before, after, value };
        make.smooth(name, &op, vec![make.values(shape, 26)])
    };
    borders.into_iter().map(case).collect()
}

pub(super) fn expand(make: Make) -> Vec<Case> {
    let shapes: [(&str, &[usize], &[usize]); 8] = [
        ("usual", &[3, 1], &[3, 4]),
        ("new axes", &[3, 1], &[2, 3, 4]),
        ("inside", &[2, 1, 4], &[5, 2, 3, 4]),
        ("rank 6", &[2, 1, 3, 1, 2, 1], &[2, 2, 3, 3, 2, 2]),
        ("scalar", &[], &[2, 3]),
        ("the same", &[3, 4], &[3, 4]),
        ("to nothing", &[1, 3], &[0, 3]),
        ("empty", &[0, 1], &[2, 0, 3]),
    ];
    let case = |(name, from, to): (&'static str, &[usize], &[usize])| {
        make.smooth(name, &Op::Expand { shape: Shape::from(to) }, vec![make.values(from, 27)])
    };
    shapes.into_iter().map(case).collect()
}

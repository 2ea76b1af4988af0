//! Products, and sampling.

use palimpsest_core::tensor::{Interpolation, Op};

use super::make::Make;
use crate::case::Case;

pub(super) fn matmul(make: Make) -> Vec<Case> {
    let shapes: [(&str, &[usize], &[usize]); 11] = [
        ("usual", &[3, 5], &[5, 2]),
        ("odd", &[1, 5], &[5, 1]),
        ("batch", &[2, 3, 4], &[2, 4, 2]),
        ("matrix broadcast", &[2, 3, 4], &[4, 2]),
        ("matrix broadcast first", &[3, 4], &[2, 4, 3]),
        ("both broadcast", &[2, 1, 3, 2], &[3, 2, 2]),
        // Beyond a kernel's tile in every extent, with remainders.
        ("tiles and rests", &[2, 67, 131], &[131, 37]),
        ("many small", &[11, 5, 7], &[11, 7, 3]),
        ("no rows", &[0, 5], &[5, 4]),
        ("nothing to add", &[3, 0], &[0, 4]),
        ("no batch", &[0, 3, 5], &[0, 5, 2]),
    ];
    let case = |(i, (name, a, b)): (usize, &(&'static str, &[usize], &[usize]))| {
        let inputs = vec![make.values(a, 40), make.values(b, 41)];
        // Differences of the large ones would take long.
        let small = !(6..8).contains(&i);
        if small { make.smooth(name, &Op::Matmul, inputs) } else { make.case(name, &Op::Matmul, inputs) }
    };
    shapes.iter().enumerate().map(case).collect()
}

pub(super) fn linear(make: Make) -> Vec<Case> {
    let shapes: [(&str, &[&[usize]]); 7] = [
        ("usual", &[&[2, 3, 5], &[4, 5], &[4]]),
        ("no bias", &[&[3, 5], &[2, 5]]),
        ("one row", &[&[5], &[3, 5], &[3]]),
        ("odd", &[&[4, 1], &[1, 1], &[1]]),
        ("tiles and rests", &[&[2, 67, 131], &[37, 131], &[37]]),
        ("no rows", &[&[0, 4], &[3, 4], &[3]]),
        ("nothing to add", &[&[3, 0], &[2, 0], &[2]]),
    ];
    let case = |(i, (name, shapes)): (usize, &(&'static str, &[&[usize]]))| {
        let inputs = shapes.iter().zip(42..).map(|(shape, seed)| make.values(shape, seed)).collect();
        if i != 4 { make.smooth(name, &Op::Linear, inputs) } else { make.case(name, &Op::Linear, inputs) }
    };
    shapes.iter().enumerate().map(case).collect()
}

pub(super) fn conv2d(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, stride, padding, size, kernel) in [
        ("padded", 1, 1, [4, 5], [3, 3]),
        ("patches", 2, 0, [4, 6], [2, 2]),
        ("strided and padded", 2, 1, [5, 3], [3, 3]),
        ("rests are left", 3, 0, [7, 5], [2, 2]),
        ("not square", 1, 0, [4, 5], [1, 3]),
    ] {
        let inputs =
            vec![make.values(&[2, 2, size[0], size[1]], 45), make.values(&[3, 2, kernel[0], kernel[1]], 46)];
        cases.push(make.smooth(name, &Op::Conv2d { stride, padding }, inputs));
    }
    let op = Op::Conv2d { stride: 4, padding: 0 };
    cases.push(make.case(
        "many channels",
        &op,
        vec![make.values(&[2, 3, 12, 16], 45), make.values(&[17, 3, 4, 4], 46)],
    ));
    cases.push(make.smooth(
        "no images",
        &op,
        vec![make.values(&[0, 3, 8, 8], 45), make.values(&[5, 3, 4, 4], 46)],
    ));
    cases
}

pub(super) fn interpolate(make: Make) -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in [Interpolation::Nearest, Interpolation::Bilinear] {
        for (name, height, width) in [
            ("larger", 7, 9),
            ("doubled", 6, 8),
            ("smaller", 2, 2),
            ("the same", 3, 4),
            ("to one", 1, 1),
            ("mixed", 2, 11),
        ] {
            let op = Op::Interpolate { height, width, mode };
            cases.push(make.smooth(name, &op, vec![make.values(&[2, 2, 3, 4], 47)]));
        }
        let op = Op::Interpolate { height: 3, width: 2, mode };
        cases.push(make.smooth("from one", &op, vec![make.values(&[1, 2, 1, 1], 47)]));
    }
    cases
}

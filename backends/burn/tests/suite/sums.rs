//! Sums: their order and their precision.

use palimpsest_conformance::array::Array;
use palimpsest_conformance::case::{Case, Input};
use palimpsest_conformance::training;
use palimpsest_core::DType;
use palimpsest_core::tensor::Op;

use crate::place::place;

fn case(op: Op, shapes: &[&[usize]]) -> Case {
    let arrays = shapes.iter().zip(3..).map(|(shape, seed)| Array::random(shape, seed));
    let inputs = arrays.map(|array| Input { array: array.rounded(DType::F32), dtype: DType::F32 }).collect();
    Case { name: "large", op, inputs, smooth: false }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with = |threads: usize, case: &Case| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| training::pass(&place(), case)).unwrap()
    };
    let mut cases = training::cases();
    cases.push(case(Op::Sum { axes: vec![0, 1] }, &[&[3000, 1500]]));
    cases.push(case(Op::Sum { axes: vec![1] }, &[&[300, 1500]]));
    cases.push(case(Op::Matmul, &[&[500, 300], &[300, 700]]));
    cases.push(case(Op::Conv2d { stride: 16, padding: 0 }, &[&[4, 3, 64, 64], &[64, 3, 16, 16]]));
    cases.push(case(Op::Conv2d { stride: 1, padding: 1 }, &[&[4, 8, 32, 32], &[16, 8, 3, 3]]));
    for case in cases {
        let one = with(1, &case);
        for threads in [2, 3] {
            let what = format!("{} {}: 1 and {threads} threads", case.op.kind().name(), case.title());
            assert!(one == with(threads, &case), "{what}");
        }
    }
}

#[test]
fn blocks_are_added_in_f64() {
    let x = Array::random(&[300, 1001], 8).rounded(DType::F32);
    let place = place();
    let sum = place.upload(x.host(DType::F32).unwrap()).unwrap().sum_all().unwrap().item().unwrap();
    let want: f64 = x.data.iter().sum();
    // Of 300 300 values in (-2, 2): a running sum in f32 is off by some thousandths.
    assert!((sum - want).abs() < 2e-4, "{sum} {want}");
}

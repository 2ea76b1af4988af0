//! Sums: their order and their precision.

use palimpsest_conformance::array::Array;
use palimpsest_conformance::case::Case;
use palimpsest_conformance::training;
use palimpsest_core::DType;

use crate::place::place;

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with = |threads: usize, case: &Case| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| training::pass(&place(), case)).unwrap()
    };
    for case in training::cases().into_iter().chain(training::long_sums()) {
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

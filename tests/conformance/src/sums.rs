//! Sums: their order and their precision, for backends that promise it.

use palimpsest_core::{DType, DeviceHandle};
use rayon::ThreadPoolBuilder;

use crate::array::Array;
use crate::case::Case;
use crate::training;

/// The same bits by one thread, two and three. For a backend that works in rayon's pools, in process.
///
/// # Panics
/// They differ, or the backend fails.
pub fn the_number_of_threads_changes_no_bit(device: &DeviceHandle) {
    let with = |threads: usize, case: &Case| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| training::pass(device, case)).unwrap()
    };
    for case in training::cases().into_iter().chain(training::long_sums()) {
        let one = with(1, &case);
        for threads in [2, 3] {
            let what = format!("{} {}: 1 and {threads} threads", case.op.kind().name(), case.title());
            assert!(one == with(threads, &case), "{what}");
        }
    }
}

/// A sum of 300 300 values of f32 in (-2, 2), which differs from the exact one by less than `limit`: a running sum in
/// f32 is off by some thousandths.
///
/// # Panics
/// It differs by more, or the backend fails.
pub fn long_sums_are_precise(device: &DeviceHandle, limit: f64) {
    let x = Array::random(&[300, 1001], 8).rounded(DType::F32);
    let sum = device.upload(x.host(DType::F32).unwrap()).unwrap().sum_all().unwrap().item().unwrap();
    let exact: f64 = x.data.iter().sum();
    assert!((sum - exact).abs() < limit, "{sum} {exact}");
}

//! Numbers at the edge of a type: what libtorch would refuse or round.

use palimpsest_conformance::sums;
use palimpsest_core::DType;

use crate::device::{device, values};

#[test]
fn numbers_beyond_a_types_range_are_infinite() {
    let device = device();
    for dtype in [DType::F32, DType::Bf16] {
        let x = device.floats([2], vec![-1.0, 2.0], dtype).unwrap();
        assert_eq!(values(&x.clamp(1e-37, f64::MAX).unwrap())[1], 2.0);
        assert_eq!(values(&x.clamp(f64::MIN, 0.0).unwrap()), [-1.0, 0.0]);
        assert_eq!(values(&x.mul_scalar(1e300).unwrap()), [f64::NEG_INFINITY, f64::INFINITY]);
        assert_eq!(values(&device.full([1], -1e300, dtype).unwrap()), [f64::NEG_INFINITY]);
        assert_eq!(values(&x.pad(0, 0, 1, f64::MAX).unwrap())[2], f64::INFINITY);
    }
}

#[test]
fn every_bit_of_a_seed_is_taken() {
    // Past what libtorch's signed seed holds; what a seed must do is tried by `conformance`.
    let device = device();
    device.backend.seed(u64::MAX);
    assert_eq!(values(&device.random_normal([8], DType::F64).unwrap()).len(), 8);
}

#[test]
fn long_sums_are_precise() {
    // libtorch adds in a tree, and rounds partial sums to f32.
    sums::long_sums_are_precise(&device(), 1e-3);
}

//! What becomes of histories: shared, freed, dropped.

use palimpsest_core::DType;

use crate::device::{device, values};

#[test]
fn a_freed_history_is_an_error() {
    let device = device();
    let x = device.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let shared = x.mul(&x).unwrap();
    let first = shared.sum_all().unwrap();
    let second = shared.exp().unwrap().sum_all().unwrap();
    assert_eq!(values(first.backward(&[&x]).unwrap()[0].as_ref().unwrap()), [6.0, 6.0]);
    let error = second.backward(&[&x]).unwrap_err().to_string();
    assert!(error.contains("freed"), "{error}");
}

#[test]
fn gradients_of_inner_tensors_are_found() {
    let device = device();
    let x = device.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let inner = x.mul_scalar(2.0).unwrap();
    let loss = inner.mul(&inner).unwrap().sum_all().unwrap();
    let gradients = loss.backward(&[&inner, &x]).unwrap();
    assert_eq!(values(gradients[0].as_ref().unwrap()), [12.0, 12.0]);
    assert_eq!(values(gradients[1].as_ref().unwrap()), [24.0, 24.0]);
}

#[test]
fn gradients_pass_between_float_types() {
    let device = device();
    let x = device.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let wide = x.cast(DType::F64).unwrap();
    let loss = wide.mul(&wide).unwrap().sum_all().unwrap();
    let gradient = loss.backward(&[&x]).unwrap().remove(0).unwrap();
    assert_eq!((gradient.dtype(), values(&gradient)), (DType::F32, vec![6.0, 6.0]));
}

#[test]
fn a_long_history_is_dropped_without_recursion() {
    let device = device();
    let mut x = device.full([1], 1.0, DType::F32).unwrap().track().unwrap();
    for _ in 0..200_000 {
        x = x.add_scalar(1e-6).unwrap();
    }
    drop(x);
}

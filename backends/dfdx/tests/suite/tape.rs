//! What becomes of histories: shared, freed, dropped.

use palimpsest_core::backend::{Device, Handle};
use palimpsest_core::tensor::Op;
use palimpsest_core::{DType, Tensor};

use crate::array::{Array, place};

fn values(x: &Tensor) -> Vec<f64> {
    x.download().unwrap().into_f64()
}

#[test]
fn a_freed_history_is_an_error() {
    let place = place();
    let x = place.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let shared = x.mul(&x).unwrap();
    let first = shared.sum_all().unwrap();
    let second = shared.exp().unwrap().sum_all().unwrap();
    assert_eq!(values(first.backward(&[&x]).unwrap()[0].as_ref().unwrap()), [6.0, 6.0]);
    let error = second.backward(&[&x]).unwrap_err().to_string();
    assert!(error.contains("freed"), "{error}");
}

#[test]
fn gradients_of_inner_tensors_are_found() {
    let place = place();
    let x = place.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let inner = x.mul_scalar(2.0).unwrap();
    let loss = inner.mul(&inner).unwrap().sum_all().unwrap();
    let gradients = loss.backward(&[&inner, &x]).unwrap();
    assert_eq!(values(gradients[0].as_ref().unwrap()), [12.0, 12.0]);
    assert_eq!(values(gradients[1].as_ref().unwrap()), [24.0, 24.0]);
}

#[test]
fn gradients_pass_between_float_types() {
    let place = place();
    let x = place.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let wide = x.cast(DType::F64).unwrap();
    let loss = wide.mul(&wide).unwrap().sum_all().unwrap();
    let gradient = loss.backward(&[&x]).unwrap().remove(0).unwrap();
    assert_eq!((gradient.dtype(), values(&gradient)), (DType::F32, vec![6.0, 6.0]));
}

#[test]
fn a_long_history_is_dropped_without_recursion() {
    let place = place();
    let mut x = place.full([1], 1.0, DType::F32).unwrap().track().unwrap();
    for _ in 0..200_000 {
        x = x.add_scalar(1e-6).unwrap();
    }
    drop(x);
}

#[test]
fn histories_that_nobody_asks_for_are_freed() {
    let place = place();
    let leaf = Array::random(&[256, 1024], 1).tensor(&place, DType::F32).track().unwrap();
    // A mebibyte per tensor; a thousand histories of four.
    let forward = |i: usize| {
        let y = leaf.gelu().unwrap().mul(&leaf).unwrap().exp().unwrap().sum_all().unwrap();
        if i.is_multiple_of(2) {
            y.backward(&[&leaf]).unwrap();
        }
    };
    let resident = || place.backend.memory(Device::Cpu).in_use.unwrap_or(0);
    (0..20).for_each(&forward);
    let before = resident();
    (0..200).for_each(&forward);
    let grown = resident().saturating_sub(before);
    // A leak would take 800 MiB; other tests beside this one take some of it for a while.
    assert!(grown < 400 << 20, "{} MiB more", grown >> 20);
}

#[test]
fn a_tensor_of_another_backend_is_refused() {
    let place = place();
    let error = place.backend.execute(&Op::Exp, vec![Handle::new(1u8)], Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("another backend"), "{error}");
}

//! Tensors that threads share.

use palimpsest_conformance::array::Array;
use palimpsest_conformance::tolerance::error;
use palimpsest_core::backend::NoGrad;
use palimpsest_core::{DType, Tensor};

use crate::device::device;

#[test]
fn threads_read_one_tensor_and_run_passes_of_their_own() {
    let device = device();
    let random =
        |shape: &[usize], seed| device.upload(Array::random(shape, seed).host(DType::F32).unwrap()).unwrap();
    let (weight, x) = (random(&[32, 16], 1), random(&[8, 16], 2));
    let pass = |weight: &Tensor| {
        let leaf = weight.track().unwrap();
        let loss = x.linear(&leaf, None).unwrap().gelu().unwrap().sum_squares().unwrap();
        let gradient = loss.backward(&[&leaf]).unwrap().remove(0).unwrap();
        Array::of(gradient.download().unwrap())
    };
    let want = pass(&weight);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert!(error(&pass(&weight), &want) < 1e-6, "a pass beside others");
                }
            });
        }
    });
}

#[test]
fn recording_is_switched_per_thread() {
    let device = device();
    let leaf = device.full([2], 2.0, DType::F32).unwrap().track().unwrap();
    let _off = NoGrad::new(device.backend.as_ref());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(leaf.mul(&leaf).unwrap().sum_all().unwrap().backward(&[&leaf]).is_ok()));
    });
    assert!(leaf.mul(&leaf).unwrap().sum_all().unwrap().backward(&[&leaf]).is_err());
}

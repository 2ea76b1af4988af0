//! Tracking, backward and what becomes of failures.

use palimpsest_core::backend::{Device, NoGrad};
use palimpsest_core::tensor::Op;
use palimpsest_core::{DType, Tensor};

use crate::array::{Array, place};

fn values(x: &Tensor) -> Vec<f64> {
    x.download().unwrap().into_f64()
}

#[test]
fn gradients_reach_leaves_and_only_those() {
    let place = place();
    let a = place.floats([2], vec![1.0, 2.0], DType::F32).unwrap().track().unwrap();
    let b = place.floats([2], vec![3.0, 4.0], DType::F32).unwrap().track().unwrap();
    let other = place.full([2], 1.0, DType::F32).unwrap().track().unwrap();
    let loss = a.mul(&b).unwrap().mul(&a).unwrap().sum_all().unwrap();
    let gradients = loss.backward(&[&a, &b, &other, &a]).unwrap();
    assert_eq!(values(gradients[0].as_ref().unwrap()), [6.0, 16.0]);
    assert_eq!(values(gradients[1].as_ref().unwrap()), [1.0, 4.0]);
    assert!(gradients[2].is_none());
    assert_eq!(values(gradients[3].as_ref().unwrap()), [6.0, 16.0]);
    // Gradients carry no history.
    let g = gradients[0].as_ref().unwrap().sum_all().unwrap();
    assert!(g.backward(&[&a]).is_err());
    // The leaves serve a second pass (gradient accumulation).
    let again = a.mul(&b).unwrap().sum_all().unwrap().backward(&[&a]).unwrap();
    assert_eq!(values(again[0].as_ref().unwrap()), [3.0, 4.0]);
}

#[test]
fn detached_and_unrecorded_values_have_no_history() {
    let place = place();
    let a = place.full([3], 2.0, DType::F32).unwrap().track().unwrap();
    let square = a.mul(&a).unwrap();
    assert!(square.detach().unwrap().sum_all().unwrap().backward(&[&a]).is_err());
    let loss = square.detach().unwrap().mul(&a).unwrap().sum_all().unwrap();
    assert_eq!(values(loss.backward(&[&a]).unwrap()[0].as_ref().unwrap()), [4.0; 3]);
    let backend = place.backend.clone();
    let unrecorded = {
        let _off = NoGrad::new(backend.as_ref());
        a.exp().unwrap().sum_all().unwrap()
    };
    assert!(unrecorded.backward(&[&a]).is_err());
    let recorded = a.exp().unwrap().sum_all().unwrap();
    assert!(recorded.backward(&[&a]).is_ok(), "recording is on again");
    let leaf = place.full([], 2.0, DType::F32).unwrap().track().unwrap();
    assert_eq!(values(leaf.clone().backward(&[&leaf]).unwrap()[0].as_ref().unwrap()), [1.0]);
}

#[test]
fn a_handle_is_only_overwritten_when_it_is_the_last() {
    let place = place();
    let x = Array::random(&[5, 3], 1);
    let kept = x.tensor(&place, DType::F32);
    let first = Array::of(&kept);
    let view = kept.narrow(0, 1, 2).unwrap();
    let _ = Tensor::apply_owned(&Op::Exp, vec![view]).unwrap();
    let _ = Tensor::apply_owned(&Op::MulScalar { value: 3.0 }, vec![kept.clone()]).unwrap();
    Array::of(&kept).near(&first, 0.0, "kept");
    let leaf = kept.track().unwrap();
    let y = leaf.mul(&leaf).unwrap();
    let _ = Tensor::apply_owned(&Op::Neg, vec![leaf.clone()]).unwrap();
    let gradient = y.sum_all().unwrap().backward(&[&leaf]).unwrap();
    Array::of(gradient[0].as_ref().unwrap()).near(&first.map(|v| 2.0 * v), 1e-6, "saved values are kept");
}

#[test]
fn the_gradient_of_abs_at_zero_and_of_tied_maxima() {
    let place = place();
    let x = place.floats([3], vec![-1.0, 0.0, 2.0], DType::F64).unwrap().track().unwrap();
    let gradient = x.abs().unwrap().sum_all().unwrap().backward(&[&x]).unwrap();
    assert_eq!(values(gradient[0].as_ref().unwrap()), [-1.0, 0.0, 1.0]);
    for (shape, axis) in [([2usize, 4], 1usize), ([4, 2], 0)] {
        for dtype in [DType::F32, DType::F64] {
            let x = Array::build(&shape, |i| [1.0, 3.0, 3.0, 0.0][i[axis]]);
            let leaf = x.tensor(&place, dtype).track().unwrap();
            let gradient = leaf.max(axis).unwrap().sum_all().unwrap().backward(&[&leaf]).unwrap();
            let want = Array::build(&shape, |i| [0.0, 1.0, 0.0, 0.0][i[axis]]);
            Array::of(gradient[0].as_ref().unwrap()).near(&want, 0.0, "max");
        }
    }
    let x = place.floats([3], vec![-1.0, 0.5, 1.0], DType::F32).unwrap().track().unwrap();
    let gradient = x.clamp(-0.5, 0.75).unwrap().sum_all().unwrap().backward(&[&x]).unwrap();
    assert_eq!(values(gradient[0].as_ref().unwrap()), [0.0, 1.0, 0.0]);
}

#[test]
fn failures_are_errors() {
    let place = place();
    let x = Array::random(&[3, 2], 2).tensor(&place, DType::F32);
    let far = place.indices([1], vec![7]).unwrap();
    let error = x.index_select(0, &far).unwrap_err();
    assert!(error.to_string().contains("index-select"), "{error}");
    let full = Op::Full { shape: [2].into(), value: 0.0, dtype: DType::F32 };
    assert!(place.backend.execute(&full, vec![], Device::Cuda(0)).is_err());
    assert!(place.backend.execute(&Op::Exp, vec![], Device::Cpu).is_err());
    // A failure while recording leaves later passes intact.
    let leaf = x.track().unwrap();
    assert!(leaf.index_select(0, &far).is_err());
    let gradient = leaf.sum_all().unwrap().backward(&[&leaf]).unwrap();
    assert_eq!(values(gradient[0].as_ref().unwrap()), [1.0; 6]);
    assert!(place.indices([1], vec![1]).unwrap().track().is_err());
}

//! Tracking and backward.

use palimpsest_core::backend::NoGrad;
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
fn gradients_that_share_memory_are_kept_apart() {
    let place = place();
    let leaf = place.full([4], 1.0, DType::F32).unwrap().track().unwrap();
    // The gradient of a sum is one number, expanded; asked for twice, it is one tensor.
    let mut gradients = leaf.sum_all().unwrap().backward(&[&leaf, &leaf]).unwrap();
    let (second, first) = (gradients.pop().unwrap().unwrap(), gradients.pop().unwrap().unwrap());
    let moment = || place.full([4], 0.0, DType::F32).unwrap();
    let op = Op::AdamwStep { lr: 0.1, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0, step: 1, scale: 1.0 };
    let out = Tensor::apply_owned(&op, vec![first, moment(), moment(), moment()]).unwrap();
    assert_eq!(values(&out[0]), [1.0; 4]);
    let out = Tensor::apply_owned(&Op::Lerp { weight: 0.5 }, vec![out[0].clone(), moment()]).unwrap();
    assert_eq!(values(&out[0]), [0.5; 4]);
    assert_eq!(values(&second), [1.0; 4]);
}

#[test]
fn a_pass_for_no_leaves_leaves_nothing_behind() {
    let place = place();
    let leaf = place.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    assert!(leaf.mul(&leaf).unwrap().sum_all().unwrap().backward(&[]).unwrap().is_empty());
    let gradient = leaf.mul(&leaf).unwrap().sum_all().unwrap().backward(&[&leaf]).unwrap();
    assert_eq!(values(gradient[0].as_ref().unwrap()), [6.0, 6.0]);
}

#[test]
fn a_graph_serves_one_pass() {
    let place = place();
    let leaf = place.full([2], 3.0, DType::F32).unwrap().track().unwrap();
    let square = leaf.mul(&leaf).unwrap();
    assert!(square.sum_all().unwrap().backward(&[&leaf]).is_ok());
    let error = square.sum_all().unwrap().backward(&[&leaf]).unwrap_err().to_string();
    assert!(error.starts_with("backward: ") && error.lines().count() == 1, "{error}");
}

//! AdamW against torch.optim.AdamW.

use palimpsest_core::tensor::Op;
use palimpsest_core::{DType, Tensor};

use crate::array::place;

const START: [f32; 4] = [0.5, -1.25, 2.0, 0.0];
const GRADIENTS: [[f32; 4]; 3] = [[0.1, -0.2, 0.3, 0.0], [-0.05, 0.4, 1e-3, 2.0], [0.7, 0.7, -0.7, 1e-8]];

fn step(step: u64, scale: f64) -> Op {
    Op::AdamwStep { lr: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.05, step, scale }
}

/// torch 2.11:
/// `p = torch.nn.Parameter(torch.tensor(START)); o = torch.optim.AdamW([p], lr=0.01,
/// betas=(0.9, 0.95), eps=1e-8, weight_decay=0.05)`, then three steps with `GRADIENTS`.
#[allow(clippy::excessive_precision, reason = "the digits that PyTorch printed")]
const TORCH: [f32; 4] = [0.480_100_16, -1.248_564_1, 1.983_964_1, -0.013_100_646];

#[test]
fn three_steps_match_torch() {
    let place = place();
    let float = |v: &[f32]| place.floats([4], v.to_vec(), DType::F32).unwrap();
    let mut state = vec![float(&START), float(&[0.0; 4]), float(&[0.0; 4])];
    let untouched = state[0].clone();
    for (i, gradient) in GRADIENTS.iter().enumerate() {
        let halved: Vec<f32> = gradient.iter().map(|g| g * 2.0).collect();
        let [p, m, v] = <[Tensor; 3]>::try_from(std::mem::take(&mut state)).unwrap();
        state = Tensor::apply_owned(&step(i as u64 + 1, 0.5), vec![p, float(&halved), m, v]).unwrap();
    }
    let got = state[0].download().unwrap().into_f32();
    for (got, want) in got.iter().zip(TORCH) {
        assert!((got - want).abs() <= 2.0 * f32::EPSILON * want.abs().max(1e-3), "{got} {want}");
    }
    assert_eq!(untouched.download().unwrap().into_f32(), START, "a shared parameter is kept");
}

#[test]
fn a_step_is_in_place_where_it_may_be() {
    let place = place();
    let many = |value: f64| place.full([70_000], value, DType::F32).unwrap();
    let mut inputs = vec![many(1.0), many(0.5), many(0.0), many(0.0)];
    let shared = inputs[2].clone();
    let out = Tensor::apply_owned(&step(1, 1.0), std::mem::take(&mut inputs)).unwrap();
    assert_eq!(shared.download().unwrap().into_f32()[69_999], 0.0);
    let first = out[1].download().unwrap().into_f32();
    assert!((first[69_999] - 0.05).abs() < 1e-7);
    // Views keep what they are views of.
    let whole = many(1.0);
    let view = whole.narrow(0, 1, 100).unwrap();
    let zero = place.full([100], 0.0, DType::F32).unwrap();
    let out = Tensor::apply_owned(&step(1, 1.0), vec![view, zero.clone(), zero.clone(), zero]).unwrap();
    assert!(out[0].download().unwrap().into_f32()[0] < 1.0);
    assert_eq!(whole.download().unwrap().into_f32(), vec![1.0; 70_000]);
}

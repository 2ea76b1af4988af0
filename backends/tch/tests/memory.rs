//! Memory over many steps. Alone in its process, as it looks at the process's size.

use std::sync::Arc;

use palimpsest_core::backend::{Device, NoGrad};
use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, Place, Tensor};
use palimpsest_tch::Libtorch;

fn in_use(place: &Place) -> u64 {
    place.backend.memory(place.device).in_use.expect("Linux tells")
}

/// A small step: two layers, a teacher that is a moving average, AdamW.
fn step(place: &Place, student: &mut [Tensor; 2], teacher: &mut [Tensor; 2], number: u64) {
    let x = place.random_normal([16, 32], DType::F32).unwrap();
    let forward =
        |w: &[Tensor; 2]| x.linear(&w[0], None).unwrap().gelu().unwrap().linear(&w[1], None).unwrap();
    let leaves = [student[0].track().unwrap(), student[1].track().unwrap()];
    let target = forward(teacher);
    let error = forward(&leaves).sub(&target).unwrap();
    let loss = error.mul(&error).unwrap().mean_all().unwrap();
    let gradients = loss.backward(&[&leaves[0], &leaves[1]]).unwrap();
    drop(leaves);
    for (i, gradient) in gradients.into_iter().enumerate() {
        let moment = || place.full(student[i].shape().clone(), 0.0, DType::F32).unwrap();
        let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0, factor: 1.0 };
        let rates = AdamwRates::new(1e-3, number).upload(place, DType::F32).unwrap();
        let inputs = vec![student[i].clone(), gradient.unwrap(), moment(), moment()];
        student[i] = Tensor::apply_owned(&op, inputs).unwrap().remove(0);
        teacher[i] = Tensor::apply(&Op::Lerp { weight: 0.01 }, &[teacher[i].clone(), student[i].clone()])
            .unwrap()
            .remove(0);
    }
}

#[test]
fn neither_steps_nor_dropped_graphs_grow_the_process() {
    let place = Place { backend: Arc::new(Libtorch::new().unwrap()), device: Device::Cpu };
    let weight = |seed: u64| {
        place.backend.seed(seed);
        [
            place.random_normal([64, 32], DType::F32).unwrap(),
            place.random_normal([32, 64], DType::F32).unwrap(),
        ]
    };
    let (mut student, mut teacher) = (weight(1), weight(2));
    let mut run = |steps: u64| {
        for number in 0..steps {
            step(&place, &mut student, &mut teacher, number + 1);
        }
    };
    run(400);
    let before = in_use(&place);
    run(2000);
    let grown = in_use(&place).saturating_sub(before);
    assert!(grown < 2 << 20, "2000 steps grew the process by {grown} bytes");

    // A recorded graph that is dropped without a backward pass is gone at once: 2000 of them would
    // hold 2000 activations of 16 KiB each and more.
    let leaf = place.random_normal([64, 64], DType::F32).unwrap().track().unwrap();
    let x = place.random_normal([64, 64], DType::F32).unwrap();
    let forward = || drop(x.linear(&leaf, None).unwrap().gelu().unwrap().sum_all().unwrap());
    (0..100).for_each(|_| forward());
    let before = in_use(&place);
    (0..2000).for_each(|_| forward());
    let grown = in_use(&place).saturating_sub(before);
    assert!(grown < 1 << 20, "2000 dropped graphs grew the process by {grown} bytes");

    // Nor is anything kept without recording.
    let off = NoGrad::new(place.backend.as_ref());
    (0..2000).for_each(|_| forward());
    drop(off);
    let grown = in_use(&place).saturating_sub(before);
    assert!(grown < 1 << 20, "unrecorded operations grew the process by {grown} bytes");
}

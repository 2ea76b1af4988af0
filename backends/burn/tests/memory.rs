//! Memory over many steps. Alone in its process, as it looks at the process's size.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::backend::{Device, NoGrad};
use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, Place, Tensor};

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
        let moment = Tensor::full_like(&student[i]);
        let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0, factor: 1.0 };
        let rates = AdamwRates::new(1e-3, number).upload(place, DType::F32).unwrap();
        let inputs = vec![student[i].clone(), gradient.unwrap(), moment.clone(), moment, rates];
        student[i] = Tensor::apply_owned(&op, inputs).unwrap().remove(0);
        teacher[i] = Tensor::apply(&Op::Lerp { weight: 0.01 }, &[teacher[i].clone(), student[i].clone()])
            .unwrap()
            .remove(0);
    }
}

trait FullLike {
    fn full_like(other: &Tensor) -> Tensor;
}

impl FullLike for Tensor {
    fn full_like(other: &Tensor) -> Tensor {
        other.place().full(other.shape().clone(), 0.0, DType::F32).unwrap()
    }
}

#[test]
fn neither_steps_nor_dropped_graphs_grow_the_process() {
    let place = Place { backend: Arc::new(Burn::new()), device: Device::Cpu };
    let weight = |seed: u64| {
        place.backend.seed(seed);
        [
            place.random_normal([64, 32], DType::F32).unwrap(),
            place.random_normal([32, 64], DType::F32).unwrap(),
        ]
    };
    let (mut student, mut teacher) = (weight(1), weight(2));
    let mut run = |steps: u64| {
        let start = std::time::Instant::now();
        for number in 0..steps {
            step(&place, &mut student, &mut teacher, number + 1);
        }
        start.elapsed().as_secs_f64() / steps as f64
    };
    run(200);
    let (before, fast) = (in_use(&place), run(200));
    let slow = run(2000);
    let grown = in_use(&place).saturating_sub(before);
    assert!(grown < 2 << 20, "2000 steps grew the process by {grown} bytes");
    assert!(slow < 3.0 * fast, "a step took {fast} s at first, {slow} s later");

    // A recorded graph that is dropped without a backward pass: burn keeps it until a pass through
    // one of its leaves, or until the leaves are gone.
    let leaf = place.random_normal([64, 64], DType::F32).unwrap().track().unwrap();
    let x = place.random_normal([64, 64], DType::F32).unwrap();
    for _ in 0..300 {
        drop(x.linear(&leaf, None).unwrap().gelu().unwrap().sum_all().unwrap());
    }
    let held = in_use(&place);
    drop(x.linear(&leaf, None).unwrap().sum_all().unwrap().backward(&[&leaf]).unwrap());
    for _ in 0..300 {
        drop(x.linear(&leaf, None).unwrap().gelu().unwrap().sum_all().unwrap());
    }
    assert!(in_use(&place) < held + (2 << 20), "a pass through a leaf frees what was dropped");
    drop(leaf);
    let after = run(200);
    assert!(after < 3.0 * fast, "dropped graphs slow later steps from {fast} s to {after} s");

    // Without recording nothing is kept at all, tracked leaves or not.
    let leaf = x.track().unwrap();
    let before = in_use(&place);
    let off = NoGrad::new(place.backend.as_ref());
    for _ in 0..2000 {
        drop(x.linear(&leaf, None).unwrap().gelu().unwrap().sum_all().unwrap());
    }
    drop(off);
    assert!(in_use(&place) < before + (1 << 20), "unrecorded operations are kept");
}

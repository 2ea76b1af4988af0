//! Memory over many steps. A test of it is alone in its process, as it looks at the process's size.

use palimpsest_core::backend::NoGrad;
use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, DeviceHandle, Tensor};

/// The backend's memory in use, in bytes.
///
/// # Panics
/// It doesn't say: Linux does.
pub fn in_use(device: &DeviceHandle) -> u64 {
    device.backend.memory(device.id).in_use.expect("Linux tells")
}

/// A student of two layers that learns what a teacher says, its own moving average.
pub struct Steps<'a> {
    device: &'a DeviceHandle,
    student: [Tensor; 2],
    teacher: [Tensor; 2],
}

impl<'a> Steps<'a> {
    /// Both with random weights.
    ///
    /// # Panics
    /// The backend fails.
    pub fn new(device: &'a DeviceHandle) -> Self {
        let weights = |seed: u64| {
            device.backend.seed(seed);
            [[64, 32], [32, 64]].map(|shape| device.random_normal(shape, DType::F32).unwrap())
        };
        Self { device, student: weights(1), teacher: weights(2) }
    }

    /// Takes steps of AdamW.
    ///
    /// # Panics
    /// The backend fails.
    pub fn run(&mut self, steps: u64) {
        (1..=steps).for_each(|number| self.step(number));
    }

    fn step(&mut self, number: u64) {
        let x = self.device.random_normal([16, 32], DType::F32).unwrap();
        let forward =
            |w: &[Tensor; 2]| x.linear(&w[0], None).unwrap().gelu().unwrap().linear(&w[1], None).unwrap();
        let leaves = [0, 1].map(|i| self.student[i].track().unwrap());
        let error = forward(&leaves).sub(&forward(&self.teacher)).unwrap();
        let loss = error.mul(&error).unwrap().mean_all().unwrap();
        let gradients = loss.backward(&[&leaves[0], &leaves[1]]).unwrap();
        drop(leaves);
        for ((student, teacher), gradient) in self.student.iter_mut().zip(&mut self.teacher).zip(gradients) {
            let moment = || self.device.full(student.shape().clone(), 0.0, DType::F32).unwrap();
            let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0, factor: 1.0 };
            let rates = AdamwRates::new(1e-3, number).upload(self.device, DType::F32).unwrap();
            let gradient = gradient.expect("a leaf that was used");
            let inputs = vec![student.clone(), gradient, moment(), moment(), rates];
            *student = Tensor::apply_owned(&op, inputs).unwrap().remove(0);
            let lerp = Op::Lerp { weight: 0.01 };
            *teacher = Tensor::apply(&lerp, &[teacher.clone(), student.clone()]).unwrap().remove(0);
        }
    }
}

/// Thousands of steps leave the process as large as hundreds did.
///
/// # Panics
/// It grew, or the backend fails.
pub fn steps_do_not_grow_the_process(device: &DeviceHandle) {
    let mut steps = Steps::new(device);
    steps.run(400);
    let before = in_use(device);
    steps.run(2000);
    grew_by_less(device, before, 2 << 20, "2000 steps");
}

/// Records a small history and drops it at each call.
///
/// # Panics
/// The backend fails.
pub fn dropped_history(device: &DeviceHandle) -> impl Fn() {
    let random = || device.random_normal([64, 64], DType::F32).unwrap();
    let (leaf, x) = (random().track().unwrap(), random());
    move || drop(x.linear(&leaf, None).unwrap().gelu().unwrap().sum_all().unwrap())
}

#[track_caller]
fn grew_by_less(device: &DeviceHandle, before: u64, limit: u64, what: &str) {
    let grown = in_use(device).saturating_sub(before);
    assert!(grown < limit, "{what} grew the process by {grown} bytes");
}

/// Histories that are dropped without a backward pass are gone at once: 2000 of them would hold 2000 activations of
/// 16 KiB each and more.
///
/// # Panics
/// The process grew, or the backend fails.
pub fn dropped_histories_do_not_grow_the_process(device: &DeviceHandle) {
    let forward = dropped_history(device);
    (0..100).for_each(|_| forward());
    let before = in_use(device);
    (0..2000).for_each(|_| forward());
    grew_by_less(device, before, 1 << 20, "2000 dropped histories");
}

/// Nothing is kept without recording, tracked leaves or not.
///
/// # Panics
/// The process grew, or the backend fails.
pub fn unrecorded_operations_do_not_grow_the_process(device: &DeviceHandle) {
    let forward = dropped_history(device);
    let _off = NoGrad::new(device.backend.as_ref());
    (0..100).for_each(|_| forward());
    let before = in_use(device);
    (0..2000).for_each(|_| forward());
    grew_by_less(device, before, 1 << 20, "2000 unrecorded operations");
}

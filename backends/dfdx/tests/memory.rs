//! Memory over many steps. Alone in its process, as it looks at the process's size.

use std::sync::Arc;

use palimpsest_conformance::memory;
use palimpsest_core::{DType, Device, DeviceHandle};
use palimpsest_dfdx::Dfdx;

#[test]
fn neither_steps_nor_dropped_graphs_grow_the_process() {
    let device = DeviceHandle { backend: Arc::new(Dfdx::new()), id: Device::Cpu };
    memory::steps_do_not_grow_the_process(&device);
    memory::dropped_histories_do_not_grow_the_process(&device);
    memory::unrecorded_operations_do_not_grow_the_process(&device);

    // Large ones, with and without a pass: a mebibyte per tensor, 200 histories of four.
    let leaf = device.full([256, 1024], 0.25, DType::F32).unwrap().track().unwrap();
    let forward = |i: usize| {
        let y = leaf.gelu().unwrap().mul(&leaf).unwrap().exp().unwrap().sum_all().unwrap();
        if i.is_multiple_of(2) {
            y.backward(&[&leaf]).unwrap();
        }
    };
    (0..20).for_each(&forward);
    let before = memory::in_use(&device);
    (0..200).for_each(&forward);
    let grown = memory::in_use(&device).saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more", grown >> 20);
}

//! Memory over many steps. Alone in its process, as it looks at the process's size.

use std::sync::Arc;
use std::time::Instant;

use palimpsest_burn::Burn;
use palimpsest_conformance::memory::{
    Steps, in_use, steps_do_not_grow_the_process, unrecorded_operations_do_not_grow_the_process,
};
use palimpsest_core::{DType, Device, DeviceHandle};

#[test]
fn neither_steps_nor_dropped_graphs_grow_the_process() {
    let device = DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu };
    steps_do_not_grow_the_process(&device);

    // A recorded graph that is dropped without a backward pass: burn keeps it until a pass through
    // one of its leaves, or until the leaves are gone.
    let mut steps = Steps::new(&device);
    let mut seconds = |count: u64| {
        let start = Instant::now();
        steps.run(count);
        start.elapsed().as_secs_f64() / count as f64
    };
    seconds(200);
    let fast = seconds(200);
    let slow = seconds(2000);
    assert!(slow < 3.0 * fast, "a step took {fast} s at first, {slow} s later");
    let leaf = device.random_normal([64, 64], DType::F32).unwrap().track().unwrap();
    let x = device.random_normal([64, 64], DType::F32).unwrap();
    for _ in 0..300 {
        drop(x.linear(&leaf, None).unwrap().gelu().unwrap().sum_all().unwrap());
    }
    let held = in_use(&device);
    drop(x.linear(&leaf, None).unwrap().sum_all().unwrap().backward(&[&leaf]).unwrap());
    for _ in 0..300 {
        drop(x.linear(&leaf, None).unwrap().gelu().unwrap().sum_all().unwrap());
    }
    assert!(in_use(&device) < held + (2 << 20), "a pass through a leaf frees what was dropped");
    drop(leaf);
    let after = seconds(200);
    assert!(after < 3.0 * fast, "dropped graphs slow later steps from {fast} s to {after} s");

    unrecorded_operations_do_not_grow_the_process(&device);
}

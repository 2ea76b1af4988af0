//! Memory over many steps. Alone in its process, as it looks at the process's size.

use std::sync::Arc;

use palimpsest_conformance::memory;
use palimpsest_core::{Device, DeviceHandle};
use palimpsest_tch::Libtorch;

#[test]
fn neither_steps_nor_dropped_graphs_grow_the_process() {
    let device = DeviceHandle { backend: Arc::new(Libtorch::new().unwrap()), id: Device::Cpu };
    memory::steps_do_not_grow_the_process(&device);
    memory::dropped_histories_do_not_grow_the_process(&device);
    memory::unrecorded_operations_do_not_grow_the_process(&device);
}

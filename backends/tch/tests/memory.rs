//! Memory over many steps. Alone in its process, as it looks at the process's size.

use std::sync::Arc;

use palimpsest_conformance::memory;
use palimpsest_core::{Device, Place};
use palimpsest_tch::Libtorch;

#[test]
fn neither_steps_nor_dropped_graphs_grow_the_process() {
    let place = Place { backend: Arc::new(Libtorch::new().unwrap()), device: Device::Cpu };
    memory::steps_do_not_grow_the_process(&place);
    memory::dropped_histories_do_not_grow_the_process(&place);
    memory::unrecorded_operations_do_not_grow_the_process(&place);
}

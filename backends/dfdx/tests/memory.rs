//! Memory over many steps. Alone in its process, as it looks at the process's size.

use std::sync::Arc;

use palimpsest_core::{DType, Device, Place};
use palimpsest_dfdx::Dfdx;

#[test]
fn histories_that_nobody_asks_for_are_freed() {
    let place = Place { backend: Arc::new(Dfdx::new()), device: Device::Cpu };
    let leaf = place.full([256, 1024], 0.25, DType::F32).unwrap().track().unwrap();
    // A mebibyte per tensor; a thousand histories of four.
    let forward = |i: usize| {
        let y = leaf.gelu().unwrap().mul(&leaf).unwrap().exp().unwrap().sum_all().unwrap();
        if i.is_multiple_of(2) {
            y.backward(&[&leaf]).unwrap();
        }
    };
    let resident = || place.backend.memory(Device::Cpu).in_use.unwrap_or(0);
    (0..20).for_each(&forward);
    let before = resident();
    (0..200).for_each(&forward);
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more", grown >> 20);
}

//! What an operation costs beside its arithmetic: sums of four numbers, to be timed by a backend's benchmark beside
//! the same by its library alone.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::sync::Arc;

use palimpsest_core::plugin::LoadedBackend;
use palimpsest_core::{DType, Device, DeviceHandle, Tensor};

/// Recorded sums before a backward pass.
pub const RECORDED: usize = 100;

/// The backend's library, through the C table: it lies beside the benchmark, in cargo's folder.
///
/// # Panics
/// It isn't there, or doesn't load.
pub fn loaded(crate_name: &str) -> DeviceHandle {
    let here = std::env::current_exe().expect("a benchmark has a path");
    let library = here.with_file_name(format!("{DLL_PREFIX}{crate_name}{DLL_SUFFIX}"));
    DeviceHandle { backend: Arc::new(LoadedBackend::open(&library).unwrap()), id: Device::Cpu }
}

/// The four numbers.
///
/// # Panics
/// The backend fails.
pub fn four(device: &DeviceHandle) -> Tensor {
    device.full([4].as_slice(), 1.0, DType::F32).unwrap()
}

/// A sum that is not recorded.
///
/// # Panics
/// The backend fails.
pub fn sum(x: &Tensor) -> Tensor {
    x.add(x).unwrap()
}

/// [`RECORDED`] operations with their backward pass. A leaf a pass, as in training: recorded operations may live until
/// their leaf does a pass or is gone.
///
/// # Panics
/// The backend fails.
pub fn recorded_pass(x: &Tensor) -> Vec<Option<Tensor>> {
    let leaf = x.track().unwrap();
    let sum = (1..RECORDED).fold(leaf.clone(), |sum, _| sum.add(&leaf).unwrap());
    sum.sum_all().unwrap().backward(&[&leaf]).unwrap()
}

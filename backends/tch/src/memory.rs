//! Memory in use.

use palimpsest_core::backend::{Device, MemoryStats};

use crate::shim;

/// What a device's tensors hold: on the host the whole process's resident memory, on CUDA what
/// libtorch's allocator has given out.
pub(crate) fn stats(device: Device) -> MemoryStats {
    match device {
        Device::Cpu => MemoryStats::of_process(),
        Device::Cuda(index) => match shim::cuda_memory(index) {
            Some((in_use, peak)) => MemoryStats { in_use: Some(in_use), peak: Some(peak) },
            None => MemoryStats::default(),
        },
        Device::Wgpu(_) => MemoryStats::default(),
    }
}

//! Memory in use.

use palimpsest_core::backend::{Device, MemoryStats};

use crate::shim;

/// What a device's tensors hold: on the host the whole process's resident memory, on CUDA what
/// libtorch's allocator has given out.
pub(crate) fn stats(device: Device) -> MemoryStats {
    match device {
        Device::Cpu => resident(),
        Device::Cuda(index) => match shim::cuda_memory(index) {
            Some((in_use, peak)) => MemoryStats { in_use: Some(in_use), peak: Some(peak) },
            None => MemoryStats::default(),
        },
        Device::Wgpu(_) => MemoryStats::default(),
    }
}

fn resident() -> MemoryStats {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return MemoryStats::default();
    };
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    MemoryStats { in_use: bytes("VmRSS"), peak: bytes("VmHWM") }
}

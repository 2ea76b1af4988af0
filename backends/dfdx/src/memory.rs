//! The process's memory.

use palimpsest_core::backend::MemoryStats;

/// Resident memory now and at its peak, where the system tells.
pub(crate) fn stats() -> MemoryStats {
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

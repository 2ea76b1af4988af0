//! How malloc keeps the process's memory.

/// Tells malloc to keep what is freed, once per process.
pub(crate) fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::tune();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "calls mallopt")]
mod glibc {
    use std::sync::Once;

    /// By default glibc maps every block above 128 KiB afresh and hands it back when it is freed,
    /// so each step faults in (and has the kernel clear) all its activations again: 27 % of a
    /// ViT-Ti training step. Below these limits blocks come from the heap and stay there.
    pub(super) fn tune() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: mallopt only sets parameters of the allocator, under its own lock.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
                libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
                libc::mallopt(libc::M_TOP_PAD, 64 << 20);
            }
        });
    }
}

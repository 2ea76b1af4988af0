//! Whether the processor has AMX's tiles, and the system lets this process use them.
#![allow(unsafe_code, reason = "asks the processor and the system")]

/// AMX-TILE and AMX-BF16 are there, the system saves tiles when it switches threads, and has granted them to this
/// process. Linux grants them on request (from 5.16 on), to all threads; what it grants stays granted.
#[cfg(target_os = "linux")]
pub(crate) fn granted() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// Leaf 7: AMX-BF16 and AMX-TILE in EDX.
    const INSTRUCTIONS: u32 = 1 << 22 | 1 << 24;
    /// Leaf 1: the system has switched XSAVE on, in ECX.
    const OSXSAVE: u32 = 1 << 27;
    /// In XCR0: the system saves the tiles' configuration and data.
    const SAVED: u64 = 1 << 17 | 1 << 18;
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;

    let there = __cpuid(0).eax >= 7
        && __cpuid_count(7, 0).edx & INSTRUCTIONS == INSTRUCTIONS
        && __cpuid(1).ecx & OSXSAVE != 0;
    // SAFETY: XGETBV is there where XSAVE is switched on.
    if !there || unsafe { saved_state() } & SAVED != SAVED {
        return false;
    }
    // SAFETY: the call takes two numbers and touches no memory.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(target_os = "linux")]
#[target_feature(enable = "xsave")]
fn saved_state() -> u64 {
    // SAFETY: register 0 is always there.
    unsafe { std::arch::x86_64::_xgetbv(0) }
}

/// Other systems aren't asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn granted() -> bool {
    false
}

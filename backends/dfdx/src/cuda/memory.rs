//! Memory of the GPU: what is allocated through dfdx, and two faults of dfdx 0.13 around it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cudarc::driver::sys::{CUdeviceptr, CUresult, CUstream};
use palimpsest_core::backend::MemoryStats;

struct Ledger {
    /// Bytes by address.
    sizes: Option<HashMap<CUdeviceptr, u64>>,
    in_use: u64,
    peak: u64,
}

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger { sizes: None, in_use: 0, peak: 0 });

/// Bytes that dfdx holds now, and the most that it held. cuBLAS's own are not among them.
pub(super) fn stats() -> MemoryStats {
    let ledger = LEDGER.lock().unwrap_or_else(PoisonError::into_inner);
    MemoryStats { in_use: Some(ledger.in_use), peak: Some(ledger.peak) }
}

/// dfdx allocates a workspace of no bytes, which CUDA refuses.
fn at_least_one(bytes: usize) -> usize {
    bytes.max(1)
}

fn allocated(status: CUresult, address: CUdeviceptr, bytes: usize) -> CUresult {
    if status == CUresult::CUDA_SUCCESS {
        let mut ledger = LEDGER.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.sizes.get_or_insert_default().insert(address, bytes as u64);
        ledger.in_use += bytes as u64;
        ledger.peak = ledger.peak.max(ledger.in_use);
    }
    status
}

/// cudarc panics in `Drop` where memory can't be freed, as after a kernel's failure, and a second
/// panic while one unwinds ends the process. The failure was or will be told by the next call.
fn freed(_status: CUresult, address: CUdeviceptr) -> CUresult {
    let mut ledger = LEDGER.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = ledger.sizes.as_mut().and_then(|sizes| sizes.remove(&address)).unwrap_or(0);
    ledger.in_use = ledger.in_use.saturating_sub(bytes);
    CUresult::CUDA_SUCCESS
}

/// The hook of `cuMemAlloc`.
#[allow(unsafe_code, reason = "reads the address that the driver wrote")]
pub(super) fn allocate(
    real: impl Fn(*mut CUdeviceptr, usize) -> CUresult,
    address: *mut CUdeviceptr,
    bytes: usize,
) -> CUresult {
    let status = real(address, at_least_one(bytes));
    if status != CUresult::CUDA_SUCCESS {
        return status;
    }
    // SAFETY: the caller gave a place for it, which the driver has filled.
    allocated(status, unsafe { *address }, bytes)
}

/// The hook of `cuMemAllocAsync`.
pub(super) fn allocate_async(
    real: impl Fn(*mut CUdeviceptr, usize, CUstream) -> CUresult,
    address: *mut CUdeviceptr,
    bytes: usize,
    stream: CUstream,
) -> CUresult {
    allocate(|address, bytes| real(address, bytes, stream), address, bytes)
}

/// The hook of `cuMemFree`.
pub(super) fn free(real: impl Fn(CUdeviceptr) -> CUresult, address: CUdeviceptr) -> CUresult {
    freed(real(address), address)
}

/// The hook of `cuMemFreeAsync`.
pub(super) fn free_async(
    real: impl Fn(CUdeviceptr, CUstream) -> CUresult,
    address: CUdeviceptr,
    stream: CUstream,
) -> CUresult {
    freed(real(address, stream), address)
}

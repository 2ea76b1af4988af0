//! The driver, libcuda.
#![allow(unsafe_code, reason = "calls and exports C functions")]
#![allow(non_snake_case, clippy::too_many_arguments, reason = "NVIDIA's functions")]

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};

use cudarc::driver::sys::{
    self, CUcontext, CUdevice, CUdevice_attribute, CUdeviceptr, CUevent, CUfunction, CUmodule, CUresult,
    CUstream,
};
use palimpsest_core::{Error, Result};

use super::forward::forward;
use super::library::Lazy;
use super::memory;

static DRIVER: Lazy = Lazy::new(&["libcuda.so.1", "libcuda.so"]);

/// Looks for a GPU. No context is made yet.
///
/// # Errors
/// There is no driver, or it sees no GPU.
pub(super) fn look() -> Result<()> {
    if !DRIVER.is_here() {
        return Err(Error::user(format!(
            "cuda:0 needs NVIDIA's driver, and {} is not on this machine",
            DRIVER.name()
        ))
        .help("install the driver (580 or newer), add the folder of libcuda.so.1 to LD_LIBRARY_PATH, or use cpu"));
    }
    let mut count = 0;
    // SAFETY: no arguments but a flag that must be 0 and a place for the count.
    let status = unsafe {
        match cuInit(0) {
            CUresult::CUDA_SUCCESS => cuDeviceGetCount(&raw mut count),
            failed => failed,
        }
    };
    match (status, count) {
        (CUresult::CUDA_SUCCESS, 1..) => Ok(()),
        (CUresult::CUDA_SUCCESS | CUresult::CUDA_ERROR_NO_DEVICE, _) => {
            Err(Error::user("NVIDIA's driver sees no GPU")
                .help("see what nvidia-smi says, and CUDA_VISIBLE_DEVICES; or use cpu"))
        }
        (failed, _) => Err(Error::user(format!("NVIDIA's driver does not start: {failed:?}"))
            .help("see what nvidia-smi says, or use cpu")),
    }
}

/// Has the current context's pool keep what is freed: by default every synchronisation gives it back
/// to the system, and dfdx allocates for each operation. It is for speed alone, so failures are let go.
pub(super) fn keep_freed_memory() {
    type DefaultPool = unsafe extern "C" fn(*mut *mut c_void, CUdevice) -> u32;
    type SetAttribute = unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> u32;
    /// CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
    const THRESHOLD: c_int = 4;
    let (Some(pool_of), Some(set)) =
        (DRIVER.function("cuDeviceGetDefaultMemPool"), DRIVER.function("cuMemPoolSetAttribute"))
    else {
        return;
    };
    let mut pool = std::ptr::null_mut();
    let mut bytes = u64::MAX;
    // SAFETY: the types are those of NVIDIA's cuda.h; both places outlive the calls, and the attribute's
    // value is a 64-bit number.
    unsafe {
        let pool_of = std::mem::transmute::<*const c_void, DefaultPool>(pool_of);
        let set = std::mem::transmute::<*const c_void, SetAttribute>(set);
        if pool_of(&raw mut pool, 0) == 0 {
            set(pool, THRESHOLD, (&raw mut bytes).cast());
        }
    }
}

forward! { DRIVER; sys;
    fn cuGetErrorName(error: CUresult, text: *mut *const c_char) -> CUresult;
    fn cuGetErrorString(error: CUresult, text: *mut *const c_char) -> CUresult;
    fn cuInit(flags: c_uint) -> CUresult;
    fn cuDeviceGet(device: *mut CUdevice, ordinal: c_int) -> CUresult;
    fn cuDeviceGetAttribute(value: *mut c_int, attribute: CUdevice_attribute, device: CUdevice) -> CUresult;
    fn cuDeviceGetCount(count: *mut c_int) -> CUresult;
    fn cuDevicePrimaryCtxRelease_v2(device: CUdevice) -> CUresult;
    fn cuDevicePrimaryCtxRetain(context: *mut CUcontext, device: CUdevice) -> CUresult;
    fn cuCtxGetCurrent(context: *mut CUcontext) -> CUresult;
    fn cuCtxSetCurrent(context: CUcontext) -> CUresult;
    fn cuEventCreate(event: *mut CUevent, flags: c_uint) -> CUresult;
    fn cuEventDestroy_v2(event: CUevent) -> CUresult;
    fn cuEventRecord(event: CUevent, stream: CUstream) -> CUresult;
    fn cuStreamCreate(stream: *mut CUstream, flags: c_uint) -> CUresult;
    fn cuStreamDestroy_v2(stream: CUstream) -> CUresult;
    fn cuStreamSynchronize(stream: CUstream) -> CUresult;
    fn cuStreamWaitEvent(stream: CUstream, event: CUevent, flags: c_uint) -> CUresult;
    fn cuMemAllocAsync(address: *mut CUdeviceptr, bytes: usize, stream: CUstream) -> CUresult
        = memory::allocate_async;
    fn cuMemAlloc_v2(address: *mut CUdeviceptr, bytes: usize) -> CUresult = memory::allocate;
    fn cuMemFreeAsync(address: CUdeviceptr, stream: CUstream) -> CUresult = memory::free_async;
    fn cuMemFree_v2(address: CUdeviceptr) -> CUresult = memory::free;
    fn cuMemcpyDtoDAsync_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream) -> CUresult, or nothing of bytes;
    fn cuMemcpyDtoD_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize) -> CUresult, or nothing of bytes;
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream) -> CUresult, or nothing of bytes;
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize) -> CUresult, or nothing of bytes;
    fn cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream) -> CUresult, or nothing of bytes;
    fn cuMemcpyHtoD_v2(to: CUdeviceptr, from: *const c_void, bytes: usize) -> CUresult, or nothing of bytes;
    fn cuMemsetD8Async(to: CUdeviceptr, value: c_uchar, bytes: usize, stream: CUstream) -> CUresult, or nothing of bytes;
    fn cuMemsetD8_v2(to: CUdeviceptr, value: c_uchar, bytes: usize) -> CUresult, or nothing of bytes;
    fn cuModuleGetFunction(function: *mut CUfunction, module: CUmodule, name: *const c_char) -> CUresult;
    fn cuModuleLoad(module: *mut CUmodule, path: *const c_char) -> CUresult;
    fn cuModuleLoadData(module: *mut CUmodule, image: *const c_void) -> CUresult;
    fn cuModuleUnload(module: CUmodule) -> CUresult;
    fn cuLaunchKernel(
        function: CUfunction,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared_bytes: c_uint,
        stream: CUstream,
        arguments: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> CUresult;
}

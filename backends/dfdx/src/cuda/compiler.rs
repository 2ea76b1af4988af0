//! The compiler at run time, libnvrtc. dfdx compiles the kernel that makes a copy of a view with it.
#![allow(unsafe_code, reason = "calls and exports C functions")]
#![allow(non_snake_case, reason = "NVIDIA's names")]

use std::ffi::{CStr, c_char, c_int};

use cudarc::nvrtc::sys::{self, nvrtcProgram, nvrtcResult};
use palimpsest_core::{Error, Result};

use super::forward::forward;
use super::library::Lazy;

static COMPILER: Lazy = Lazy::new(&["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]);

/// Looks for the library.
///
/// # Errors
/// It is not there.
pub(super) fn look() -> Result<()> {
    if COMPILER.is_here() {
        return Ok(());
    }
    Err(Error::user(format!("the dfdx backend needs {} for cuda:0", COMPILER.name()))
        .help("python3 -m pip install nvidia-cuda-nvrtc, or add its folder to LD_LIBRARY_PATH"))
}

/// What dfdx's kernels ask of the header that they include: from the place in a row-major array of
/// `dims` to the place in memory.
const STRIDED: &CStr = c"
__device__ unsigned int get_strided_index(
    unsigned int index, const size_t rank, const size_t *dims, const size_t *strides
) {
    unsigned int place = 0;
    for (size_t axis = rank; axis > 0; axis--) {
        place += index % dims[axis - 1] * strides[axis - 1];
        index /= dims[axis - 1];
    }
    return place;
}
";

/// The hook of `nvrtcCreateProgram`: dfdx names the folders of its header on the machine that built
/// it, which need not be this one. The compiler is handed the header.
fn create(
    real: impl Fn(
        *mut nvrtcProgram,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> nvrtcResult,
    program: *mut nvrtcProgram,
    source: *const c_char,
    name: *const c_char,
    _count: c_int,
    _headers: *const *const c_char,
    _names: *const *const c_char,
) -> nvrtcResult {
    let headers = [STRIDED.as_ptr(), c"".as_ptr()];
    let names = [c"cuda_utils.cuh".as_ptr(), c"cuda_fp16.h".as_ptr()];
    real(program, source, name, 2, headers.as_ptr(), names.as_ptr())
}

forward! { COMPILER; sys;
    fn nvrtcCreateProgram(
        program: *mut nvrtcProgram,
        source: *const c_char,
        name: *const c_char,
        count: c_int,
        headers: *const *const c_char,
        names: *const *const c_char,
    ) -> nvrtcResult = create;
    fn nvrtcDestroyProgram(program: *mut nvrtcProgram) -> nvrtcResult;
    fn nvrtcCompileProgram(
        program: nvrtcProgram,
        count: c_int,
        options: *const *const c_char,
    ) -> nvrtcResult;
    fn nvrtcGetPTXSize(program: nvrtcProgram, bytes: *mut usize) -> nvrtcResult;
    fn nvrtcGetPTX(program: nvrtcProgram, ptx: *mut c_char) -> nvrtcResult;
    fn nvrtcGetProgramLogSize(program: nvrtcProgram, bytes: *mut usize) -> nvrtcResult;
    fn nvrtcGetProgramLog(program: nvrtcProgram, log: *mut c_char) -> nvrtcResult;
}

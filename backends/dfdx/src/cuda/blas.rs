//! Matrix products, libcublas.
#![allow(unsafe_code, reason = "calls and exports C functions")]
#![allow(non_snake_case, clippy::too_many_arguments, reason = "NVIDIA's functions")]

use std::ffi::{c_int, c_longlong};

use cudarc::cublas::sys::{self, cublasHandle_t, cublasOperation_t, cublasStatus_t, cudaStream_t};
use palimpsest_core::{Error, Result};

use super::forward::forward;
use super::library::Lazy;

static BLAS: Lazy = Lazy::new(&["libcublas.so.13", "libcublas.so.12", "libcublas.so"]);

/// Looks for the library.
///
/// # Errors
/// It is not there.
pub(super) fn look() -> Result<()> {
    if BLAS.is_here() {
        return Ok(());
    }
    Err(Error::user(format!("the dfdx backend needs {} for cuda:0", BLAS.name()))
        .help("python3 -m pip install nvidia-cublas, or add its folder to LD_LIBRARY_PATH"))
}

forward! { BLAS; sys;
    fn cublasCreate_v2(handle: *mut cublasHandle_t) -> cublasStatus_t;
    fn cublasDestroy_v2(handle: cublasHandle_t) -> cublasStatus_t;
    fn cublasSetStream_v2(handle: cublasHandle_t, stream: cudaStream_t) -> cublasStatus_t;
    fn cublasSgemm_v2(
        handle: cublasHandle_t,
        turn_a: cublasOperation_t,
        turn_b: cublasOperation_t,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f32,
        a: *const f32,
        lda: c_int,
        b: *const f32,
        ldb: c_int,
        beta: *const f32,
        c: *mut f32,
        ldc: c_int,
    ) -> cublasStatus_t;
    fn cublasSgemmStridedBatched(
        handle: cublasHandle_t,
        turn_a: cublasOperation_t,
        turn_b: cublasOperation_t,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f32,
        a: *const f32,
        lda: c_int,
        stride_a: c_longlong,
        b: *const f32,
        ldb: c_int,
        stride_b: c_longlong,
        beta: *const f32,
        c: *mut f32,
        ldc: c_int,
        stride_c: c_longlong,
        batch: c_int,
    ) -> cublasStatus_t;
    fn cublasDgemm_v2(
        handle: cublasHandle_t,
        turn_a: cublasOperation_t,
        turn_b: cublasOperation_t,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f64,
        a: *const f64,
        lda: c_int,
        b: *const f64,
        ldb: c_int,
        beta: *const f64,
        c: *mut f64,
        ldc: c_int,
    ) -> cublasStatus_t;
    fn cublasDgemmStridedBatched(
        handle: cublasHandle_t,
        turn_a: cublasOperation_t,
        turn_b: cublasOperation_t,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f64,
        a: *const f64,
        lda: c_int,
        stride_a: c_longlong,
        b: *const f64,
        ldb: c_int,
        stride_b: c_longlong,
        beta: *const f64,
        c: *mut f64,
        ldc: c_int,
        stride_c: c_longlong,
        batch: c_int,
    ) -> cublasStatus_t;
}

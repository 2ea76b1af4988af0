//! dfdx reports its failures by panics; here they become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use palimpsest_core::{Error, Result};

/// Runs `work`; a panic in it becomes an error that names `what`.
///
/// What `work` owned is dropped while it unwinds, and this crate's locks are opened again after a
/// panic, so nothing half-changed is left to be seen.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Err(sentence(what, &message))
    })
}

/// What a panic's words mean, where they are CUDA's.
fn sentence(what: &str, message: &str) -> Error {
    let says = |code: &str| message.contains(code);
    if says("CUDA_ERROR_OUT_OF_MEMORY") || says("CUBLAS_STATUS_ALLOC_FAILED") {
        return Error::failure(format!("{what}: cuda:0 has no memory left"))
            .help("lower train.batch, or raise train.accumulate");
    }
    if says("CUDA_ERROR_UNSUPPORTED_PTX_VERSION") {
        return Error::user(format!("{what}: NVIDIA's driver is older than this library's CUDA"))
            .help("update the driver, or build the library with an older toolkit in CUDA_PATH");
    }
    if says("CUDA_ERROR_NO_BINARY_FOR_GPU") || says("CUDA_ERROR_INVALID_PTX") {
        return Error::user(format!("{what}: this library was not built for the GPU that is here"))
            .help("build it with its number in CUDA_COMPUTE_CAP, as 90");
    }
    Error::failure(format!("{what}: {message}"))
}

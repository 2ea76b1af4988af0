//! Status codes. cudarc's enums are CUDA 11.8's, and a number that an enum lacks must not become a
//! value of it.

use cudarc::cublas::sys::cublasStatus_t as Blas;
use cudarc::driver::sys::CUresult as Driver;
use cudarc::nvrtc::sys::nvrtcResult as Compiler;

/// What a function of NVIDIA's returns.
pub(super) trait Status: Copy + 'static {
    /// The codes that are told apart.
    const KNOWN: &'static [Self];
    /// Any other.
    const OTHER: Self;
    /// There is no such function.
    const MISSING: Self;

    /// Its number.
    fn code(self) -> u32;

    /// The status of a number.
    fn of(code: u32) -> Self {
        Self::KNOWN.iter().copied().find(|known| known.code() == code).unwrap_or(Self::OTHER)
    }
}

impl Status for Driver {
    const KNOWN: &'static [Self] = &[
        Self::CUDA_SUCCESS,
        Self::CUDA_ERROR_INVALID_VALUE,
        Self::CUDA_ERROR_OUT_OF_MEMORY,
        Self::CUDA_ERROR_NOT_INITIALIZED,
        Self::CUDA_ERROR_DEINITIALIZED,
        Self::CUDA_ERROR_STUB_LIBRARY,
        Self::CUDA_ERROR_DEVICE_UNAVAILABLE,
        Self::CUDA_ERROR_NO_DEVICE,
        Self::CUDA_ERROR_INVALID_DEVICE,
        Self::CUDA_ERROR_INVALID_IMAGE,
        Self::CUDA_ERROR_INVALID_CONTEXT,
        Self::CUDA_ERROR_NO_BINARY_FOR_GPU,
        Self::CUDA_ERROR_ECC_UNCORRECTABLE,
        Self::CUDA_ERROR_INVALID_PTX,
        Self::CUDA_ERROR_JIT_COMPILER_NOT_FOUND,
        Self::CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
        Self::CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND,
        Self::CUDA_ERROR_OPERATING_SYSTEM,
        Self::CUDA_ERROR_INVALID_HANDLE,
        Self::CUDA_ERROR_NOT_FOUND,
        Self::CUDA_ERROR_NOT_READY,
        Self::CUDA_ERROR_ILLEGAL_ADDRESS,
        Self::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
        Self::CUDA_ERROR_LAUNCH_TIMEOUT,
        Self::CUDA_ERROR_CONTEXT_IS_DESTROYED,
        Self::CUDA_ERROR_ILLEGAL_INSTRUCTION,
        Self::CUDA_ERROR_MISALIGNED_ADDRESS,
        Self::CUDA_ERROR_LAUNCH_FAILED,
        Self::CUDA_ERROR_NOT_PERMITTED,
        Self::CUDA_ERROR_NOT_SUPPORTED,
        Self::CUDA_ERROR_SYSTEM_NOT_READY,
        Self::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
        Self::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE,
    ];
    const OTHER: Self = Self::CUDA_ERROR_UNKNOWN;
    const MISSING: Self = Self::CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND;

    fn code(self) -> u32 {
        self as u32
    }
}

impl Status for Blas {
    const KNOWN: &'static [Self] = &[
        Self::CUBLAS_STATUS_SUCCESS,
        Self::CUBLAS_STATUS_NOT_INITIALIZED,
        Self::CUBLAS_STATUS_ALLOC_FAILED,
        Self::CUBLAS_STATUS_INVALID_VALUE,
        Self::CUBLAS_STATUS_ARCH_MISMATCH,
        Self::CUBLAS_STATUS_MAPPING_ERROR,
        Self::CUBLAS_STATUS_EXECUTION_FAILED,
        Self::CUBLAS_STATUS_NOT_SUPPORTED,
        Self::CUBLAS_STATUS_LICENSE_ERROR,
    ];
    const OTHER: Self = Self::CUBLAS_STATUS_INTERNAL_ERROR;
    const MISSING: Self = Self::CUBLAS_STATUS_NOT_SUPPORTED;

    fn code(self) -> u32 {
        self as u32
    }
}

impl Status for Compiler {
    const KNOWN: &'static [Self] = &[
        Self::NVRTC_SUCCESS,
        Self::NVRTC_ERROR_OUT_OF_MEMORY,
        Self::NVRTC_ERROR_PROGRAM_CREATION_FAILURE,
        Self::NVRTC_ERROR_INVALID_INPUT,
        Self::NVRTC_ERROR_INVALID_PROGRAM,
        Self::NVRTC_ERROR_INVALID_OPTION,
        Self::NVRTC_ERROR_COMPILATION,
        Self::NVRTC_ERROR_BUILTIN_OPERATION_FAILURE,
    ];
    const OTHER: Self = Self::NVRTC_ERROR_INTERNAL_ERROR;
    const MISSING: Self = Self::NVRTC_ERROR_INTERNAL_ERROR;

    fn code(self) -> u32 {
        self as u32
    }
}

//! What tch has no binding for: this crate's C++ (`shim/shim.cpp`) behind safe functions, and one
//! function of torch-sys that tch only offers as a closure. `graph_library` has the rest of the crate's unsafe code.
#![allow(unsafe_code, reason = "calls C++ through a C interface")]

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use palimpsest_core::tensor::AdamwRates;
use tch::{TchError, Tensor};
use torch_sys::C_tensor;

/// The constants of every step of AdamW. `shim.cpp` has the same fields in the same order.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adamw {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) decay: f64,
    /// Factor on the learning rate.
    pub(crate) factor: f64,
}

/// A tensor that threads can share.
///
/// tch's `Tensor` may be sent to another thread but not shared between threads, as some of its
/// methods change a tensor through `&self`. libtorch itself lets threads read one tensor at once:
/// its operations that are not in place change nothing of their inputs that is not atomic or locked,
/// and a second reference (a shallow clone) would lead to the same object anyhow.
#[derive(Debug)]
pub(crate) struct Shared(Tensor);

// SAFETY: this crate calls no method on a borrowed tensor that changes it: what it does in place it
// does to a tensor that it owns and whose memory nothing else refers to (`is_sole`), so never to one
// that another thread could be reading. `crate::graphs`, and AdamW in the midst of a graph, write over shared
// ones: the callers of that trait see to it that nobody reads them meanwhile.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(tensor: Tensor) -> Self {
        Self(tensor)
    }

    /// The tensor, to be read.
    pub(crate) fn tensor(&self) -> &Tensor {
        &self.0
    }

    pub(crate) fn into_inner(self) -> Tensor {
        self.0
    }
}

unsafe extern "C" {
    fn palimpsest_tch_error() -> *const c_char;
    fn palimpsest_tch_is_sole(tensor: *const C_tensor) -> c_int;
    fn palimpsest_tch_adamw(
        parameter: *mut C_tensor,
        gradient: *const C_tensor,
        first: *mut C_tensor,
        second: *mut C_tensor,
        average: *mut C_tensor,
        rates: *const C_tensor,
        constants: *const Adamw,
    ) -> c_int;
    fn palimpsest_tch_allow_tf32(allowed: c_int) -> c_int;
    fn palimpsest_tch_cuda_memory(device: c_int, in_use: *mut u64, peak: *mut u64) -> c_int;
    fn palimpsest_tch_library() -> *const c_char;
    fn palimpsest_tch_load(path: *const c_char) -> c_int;
}

/// What the shim says of the status that it returned on this thread.
pub(crate) fn outcome(status: c_int) -> Result<(), String> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: the shim returns a string that lives until this thread calls it again; it is copied here.
    let text = unsafe { CStr::from_ptr(palimpsest_tch_error()) };
    Err(text.to_string_lossy().into_owned())
}

/// Whether no other tensor, view or recorded graph shares this tensor's memory, so that nobody sees
/// it being written. It stays so while the caller keeps the tensor to itself.
pub(crate) fn is_sole(tensor: &Tensor) -> bool {
    // SAFETY: the pointer is to tch's own at::Tensor, alive for the call, which only reads counts.
    unsafe { palimpsest_tch_is_sole(tensor.as_ptr()) != 0 }
}

/// A step of AdamW, in place, on a parameter, its moments and, if one is kept, its average; its numbers are
/// read from `rates` (but for the factor on the gradient, which has been applied). All but the rates must be
/// dense and alike in shape, type and device.
pub(crate) fn adamw(
    state: &mut [Tensor],
    gradient: &Tensor,
    rates: &Tensor,
    constants: &Adamw,
) -> Result<(), TchError> {
    let [parameter, first, second, average @ ..] = state else {
        return Err(TchError::Shape("a parameter without its moments".to_owned()));
    };
    for other in [gradient, &*first, &*second].into_iter().chain(&*average) {
        // The kernel takes the parameter's extents and type for all of them without a look.
        let alike = other.size() == parameter.size()
            && other.f_kind()? == parameter.f_kind()?
            && other.device() == parameter.device();
        if !(alike && other.is_contiguous() && parameter.is_contiguous()) {
            return Err(TchError::Shape("the parameter, its gradient and its moments differ".to_owned()));
        }
    }
    if rates.size() != [AdamwRates::COUNT as i64] || rates.device() != parameter.device() {
        return Err(TchError::Shape("the step's rates don't fit".to_owned()));
    }
    // SAFETY: live at::Tensors, checked above to be alike and dense; those that are written are borrowed
    // mutably; `Adamw` has the layout of its C++ twin.
    let status = unsafe {
        palimpsest_tch_adamw(
            parameter.as_mut_ptr(),
            gradient.as_ptr(),
            first.as_mut_ptr(),
            second.as_mut_ptr(),
            average.first_mut().map_or(std::ptr::null_mut(), Tensor::as_mut_ptr),
            rates.as_ptr(),
            constants,
        )
    };
    outcome(status).map_err(TchError::Torch)
}

/// Whether 32-bit products and convolutions on CUDA may round their operands to TF32.
pub(crate) fn allow_tf32(allowed: bool) -> Result<(), TchError> {
    // SAFETY: takes a number, and sets a switch of libtorch's.
    outcome(unsafe { palimpsest_tch_allow_tf32(c_int::from(allowed)) }).map_err(TchError::Torch)
}

/// Bytes in use on a CUDA device and their peak; `None` where libtorch has no account of it.
pub(crate) fn cuda_memory(device: usize) -> Option<(u64, u64)> {
    let (mut in_use, mut peak) = (0, 0);
    let device = c_int::try_from(device).ok()?;
    // SAFETY: two places that may be written, for the time of the call.
    let status = unsafe { palimpsest_tch_cuda_memory(device, &raw mut in_use, &raw mut peak) };
    outcome(status).ok().map(|()| (in_use, peak))
}

/// The file that libtorch was loaded from.
pub(crate) fn library_path() -> Option<PathBuf> {
    // SAFETY: the string belongs to the loader's table and lives as long as libtorch is loaded, which
    // is for good; null is asked for before it is read.
    unsafe {
        let path = palimpsest_tch_library();
        (!path.is_null()).then(|| PathBuf::from(OsStr::from_bytes(CStr::from_ptr(path).to_bytes())))
    }
}

/// Loads a dynamic library for good, its symbols visible to all.
pub(crate) fn load(path: &Path) -> Result<(), String> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: a string that ends in 0. The library's initialisers run; callers name only libtorch's
    // own libraries and CUDA's driver.
    outcome(unsafe { palimpsest_tch_load(path.as_ptr()) })
}

/// Switches this thread's recording of gradients; returns the state before.
pub(crate) fn set_grad_enabled(enabled: bool) -> bool {
    // SAFETY: takes a number, and sets a thread-local of libtorch's.
    unsafe { torch_sys::at_grad_set_enabled(c_int::from(enabled)) != 0 }
}

//! CUDA graphs: the C++ of `shim/graphs` behind safe functions. It is a library inside this one, which is loaded
//! after libtorch's CUDA part: without that its symbols are nowhere.
#![allow(unsafe_code, reason = "calls C++ through a C interface")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::shim::outcome;

/// Empty where it was built without CUDA's headers.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/graphs.so"));

/// `shim.cpp` has the same fields in the same order.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Functions {
    error: Option<unsafe extern "C" fn() -> *const c_char>,
    begin: Option<unsafe extern "C" fn(device: c_int, capture: c_int) -> c_int>,
    end: Option<unsafe extern "C" fn(graph: *mut *mut c_void) -> c_int>,
    replay: Option<unsafe extern "C" fn(graph: *mut c_void) -> c_int>,
    free: Option<unsafe extern "C" fn(graph: *mut c_void)>,
}

unsafe extern "C" {
    fn palimpsest_tch_load_graphs(bytes: *const u8, count: usize, functions: *mut Functions) -> c_int;
}

/// A captured graph.
#[derive(Debug)]
pub(crate) struct Graph(NonNull<c_void>);

// SAFETY: a graph is launched by whoever holds it, on a stream that libtorch orders; CUDA's runtime locks.
unsafe impl Send for Graph {}
// SAFETY: as above; launches of one graph follow one another on its stream.
unsafe impl Sync for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Ok(Functions { free: Some(free), .. }) = functions() {
            // SAFETY: `end` made it, and it is freed once.
            unsafe { free(self.0.as_ptr()) };
        }
    }
}

/// The library's functions, or why there are none. libtorch's CUDA part must have been loaded.
fn functions() -> Result<Functions, String> {
    static FUNCTIONS: OnceLock<Result<Functions, String>> = OnceLock::new();
    FUNCTIONS
        .get_or_init(|| {
            if LIBRARY.is_empty() {
                return Err("this library of the tch backend was built without CUDA's headers".to_owned());
            }
            let mut functions = Functions::default();
            // SAFETY: the bytes of a library that was built with this one, and a place for its functions.
            outcome(unsafe {
                palimpsest_tch_load_graphs(LIBRARY.as_ptr(), LIBRARY.len(), &raw mut functions)
            })?;
            Ok(functions)
        })
        .clone()
}

fn there<F>(function: Option<F>) -> Result<F, String> {
    function.ok_or_else(|| "the library of graphs lacks a function".to_owned())
}

fn told(functions: &Functions, status: c_int) -> Result<(), String> {
    if status == 0 {
        return Ok(());
    }
    let error = there(functions.error)?;
    // SAFETY: a string that lives until this thread calls the library again; it is copied here.
    Err(unsafe { CStr::from_ptr(error()) }.to_string_lossy().into_owned())
}

/// Whether the library could be loaded.
#[cfg(test)]
pub(crate) fn load() -> Result<(), String> {
    functions().map(drop)
}

pub(crate) fn begin(device: usize, capture: bool) -> Result<(), String> {
    let functions = functions()?;
    let device = c_int::try_from(device).map_err(|error| error.to_string())?;
    let begin = there(functions.begin)?;
    // SAFETY: plain numbers.
    told(&functions, unsafe { begin(device, c_int::from(capture)) })
}

pub(crate) fn end() -> Result<Option<Graph>, String> {
    let functions = functions()?;
    let end = there(functions.end)?;
    let mut graph = std::ptr::null_mut();
    // SAFETY: a place for the graph.
    told(&functions, unsafe { end(&raw mut graph) })?;
    Ok(NonNull::new(graph).map(Graph))
}

pub(crate) fn replay(graph: &Graph) -> Result<(), String> {
    let functions = functions()?;
    let replay = there(functions.replay)?;
    // SAFETY: a graph of this library that is alive.
    told(&functions, unsafe { replay(graph.0.as_ptr()) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::shim;

    /// Every symbol is found in libtorch's CUDA part; where there is no driver, beginning says so.
    #[test]
    fn the_library_fits_the_cuda_part() {
        let libraries = shim::library_path().unwrap();
        let cuda: &Path = &libraries.with_file_name("libtorch_cuda.so");
        if LIBRARY.is_empty() || !cuda.exists() {
            return;
        }
        shim::load(cuda).unwrap();
        load().unwrap();
        assert!(end().unwrap_err().contains("no graph was begun"));
        if shim::load(Path::new("libcuda.so.1")).is_err() {
            assert!(begin(0, true).is_err());
        }
    }
}

//! NVIDIA's GPUs, and what it takes to use them: the driver, NVRTC, the headers of CUDA.
#![allow(unsafe_code, reason = "asks for foreign libraries")]

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use crate::panics::caught;

/// How many there are.
pub(super) fn count() -> usize {
    if !has_driver() {
        return 0;
    }
    let any = cubecl::Device::Cuda(cubecl::device::CudaDevice::default());
    let count = || Ok(cubecl::Device::enumerate(any.to_id()).len());
    caught("cuda", count).unwrap_or_default()
}

fn has_driver() -> bool {
    // SAFETY: loads NVIDIA's driver, as the first call into it would.
    unsafe { cudarc::driver::sys::is_culib_present() }
}

fn has_compiler() -> bool {
    // SAFETY: loads NVRTC, as the first call into it would.
    unsafe { cudarc::nvrtc::sys::is_culib_present() }
}

/// burn's name for a GPU, where all that it takes is there. burn panics over each of these when it first
/// compiles a kernel.
pub(super) fn locate(index: usize) -> Result<cubecl::Device> {
    let needs = |what: &str| Error::user(format!("the burn backend needs {what} for cuda:{index}"));
    if !has_driver() {
        return Err(needs("NVIDIA's driver (libcuda.so.1), which is not on this machine,")
            .help("install a driver for CUDA 13.0 or newer"));
    }
    let device = cubecl::Device::cuda(index).map_err(|_| {
        let count = count();
        let here = Error::user(format!("the burn backend has no device cuda:{index}: {count} are here"));
        if count == 0 { here.help("use cpu") } else { here.help("use cuda:0") }
    })?;
    if !has_compiler() {
        return Err(needs("NVRTC (libnvrtc.so.13), which is not on this machine,")
            .help("python3 -m pip install nvidia-cuda-nvrtc, or add its folder to LD_LIBRARY_PATH"));
    }
    let toolkit = cubecl::cuda::install::cuda_path().unwrap_or_else(|| PathBuf::from("/usr/local/cuda"));
    // Kernels on bfloat16 include it.
    let header = "include/cuda_bf16.h";
    if !toolkit.join(header).is_file() {
        let error = needs(&format!("CUDA's headers, and there is no {},", toolkit.join(header).display()));
        return Err(match beside_compiler().filter(|folder| folder.join(header).is_file()) {
            Some(folder) => error.help(format!("set CUDA_PATH={}", folder.display())),
            None => error.help("name a toolkit of CUDA 13 in CUDA_PATH"),
        });
    }
    Ok(device)
}

/// The folder of a toolkit that the loaded NVRTC belongs to, as pip lays it out: lib/ and include/.
fn beside_compiler() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find_map(|line| {
        line.find('/').map(|at| &line[at..]).filter(|path| {
            Path::new(path).file_name().is_some_and(|name| name.to_string_lossy().starts_with("libnvrtc.so"))
        })
    })?;
    Some(Path::new(path).parent()?.parent()?.to_owned())
}

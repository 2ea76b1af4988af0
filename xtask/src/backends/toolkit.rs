//! What compiles CUDA code, for the variants of backends that run on a GPU: the user's toolkit or a
//! fetched one. No GPU is needed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_core::plugin::Library;
use palimpsest_core::{Error, Result};

use super::wheels::{self, cache};
use crate::output;

/// The version of NVIDIA's nvcc that is fetched. What it compiles wants a driver for CUDA 13.0 or newer.
const VERSION: &str = "13.0.88";

/// Fetches the wheels, pinned and checked by their hashes.
const FETCH: &str = include_str!("fetch_cuda.py");

/// Fetches the toolkit into the cache, unless it is there.
pub(crate) fn fetch() -> Result<PathBuf> {
    let folder = fetched()?;
    if !folder.is_dir() {
        output::note(&format!("fetching the CUDA toolkit (105 MB) into {}", folder.display()));
        wheels::fetch("the CUDA toolkit", FETCH, &folder)?;
    }
    Ok(folder)
}

/// Fetches it where nobody names one.
pub(super) fn prepare() -> Result<()> {
    match std::env::var_os("CUDA_PATH") {
        Some(_) => Ok(()),
        None => fetch().map(|_| ()),
    }
}

/// It appears there whole or not at all.
fn fetched() -> Result<PathBuf> {
    cache(&format!("cuda-{VERSION}"))
}

/// Tells cargo of the toolkit: $CUDA_PATH's, or the fetched one.
pub(super) fn for_build(cargo: &mut Command) -> Result<()> {
    if let Some(own) = std::env::var_os("CUDA_PATH").map(PathBuf::from) {
        for part in ["include/cuda.h", "bin/nvcc"] {
            if !own.join(part).is_file() {
                return Err(Error::user(format!("{} is no CUDA toolkit: it has no {part}", own.display()))
                    .at("$CUDA_PATH")
                    .help("unset it to use the one of: cargo xtask backend add cuda"));
            }
        }
        cargo.env("PATH", path_with(&[own.join("bin")])?);
        return Ok(());
    }
    let folder = fetched()?;
    if !folder.is_dir() {
        return Err(Error::user("there is no CUDA toolkit to compile with")
            .help("cargo xtask backend add cuda, or name yours in CUDA_PATH"));
    }
    let root = folder.join("nvidia/cu13");
    cargo.env("PATH", path_with(&[folder.join("stand-in"), root.join("bin")])?).env("CUDA_PATH", root);
    Ok(())
}

/// $PATH after these folders.
fn path_with(first: &[PathBuf]) -> Result<OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = first.iter().cloned().chain(std::env::split_paths(&rest));
    std::env::join_paths(all).map_err(|e| Error::user(format!("a folder's name won't do in PATH: {e}")))
}

/// Where NVIDIA's libraries of CUDA are that pip installed, for python3's PyTorch or by themselves.
pub(super) fn of_python() -> Option<PathBuf> {
    part_of_python("cu13/lib")
}

/// A folder below that of NVIDIA's packages.
fn part_of_python(part: &str) -> Option<PathBuf> {
    let code = "import importlib.util as u; print(list(u.find_spec('nvidia').submodule_search_locations)[0])";
    let output = Command::new("python3").args(["-c", code]).output().ok()?;
    let folder = Path::new(String::from_utf8(output.stdout).ok()?.trim()).join(part);
    (output.status.success() && folder.is_dir()).then_some(folder)
}

/// Loads NCCL from where pip puts it, if it is there and the loader doesn't find one by itself: an engine that asks for it
/// by name then has it.
pub(crate) fn offer_nccl() {
    let name = Path::new("libnccl.so.2");
    if Library::preload(name).is_err()
        && let Some(folder) = part_of_python("nccl/lib")
    {
        // Where it fails, the engine says what it needs.
        drop(Library::preload(&folder.join(name)));
    }
}

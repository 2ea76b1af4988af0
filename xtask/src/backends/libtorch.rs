//! Where libtorch is, for the tch backend and the engine gloo: the user's, a fetched one, or Python's.

use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_core::plugin::Library;
use palimpsest_core::{Error, Result};

use super::Variant;
use super::wheels::{self, cache};
use crate::output;

/// The only version that tch =0.24.0 works with; another loads and computes garbage.
const VERSION: &str = "2.11.0";

/// Fetches the wheels, pinned and checked by their hashes, and keeps what is needed.
const FETCH: &str = include_str!("fetch_libtorch.py");

/// Who needs libtorch, in errors.
const TCH: &str = "the tch backend";

/// The folder that libtorch's `lib` lies in, of the right version. For CUDA, one that has its part for
/// CUDA is better than one that hasn't. `who` needs it.
fn find(who: &str, variant: Variant) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("LIBTORCH") {
        let folder = PathBuf::from(folder);
        return checked(who, &folder).map(|()| folder).map_err(|e| e.at("$LIBTORCH"));
    }
    let packed = std::env::var_os("CARGO").is_none();
    let help = match packed {
        true => format!("python3 -m pip install torch=={VERSION}, or name a folder of it in LIBTORCH"),
        false => "cargo xtask backend add tch".to_owned(),
    };
    let fetched = cache(&cached()).map(|folder| folder.join("torch"));
    let fetched = fetched.ok().filter(|folder| folder.join("lib/libtorch_cpu.so").is_file());
    let all = [fetched, of_python()];
    let best = |folder: &&PathBuf| variant != Variant::Cuda || folder.join("lib/libtorch_cuda.so").is_file();
    let mut found = all.iter().flatten();
    let Some(folder) = found.clone().find(best).or_else(|| found.next()) else {
        return Err(Error::user(format!(
            "{who} needs libtorch {VERSION}, and neither $LIBTORCH nor python3's torch names one"
        ))
        .help(help));
    };
    checked(who, folder).map_err(|e| e.help(help))?;
    Ok(folder.clone())
}

/// The version in libtorch's own files; nothing is loaded.
fn version(folder: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = std::fs::read_to_string(folder.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

fn checked(who: &str, folder: &Path) -> Result<()> {
    let found = version(folder);
    match &found {
        Some(found) if found.split('+').next() == Some(VERSION) => Ok(()),
        _ => Err(Error::user(format!(
            "libtorch in {} is {}, {who} needs {VERSION}",
            folder.display(),
            found.as_deref().unwrap_or("of an unknown version")
        ))
        .help(format!("name a folder of libtorch {VERSION}, or: cargo xtask backend add tch"))),
    }
}

/// The folder of the package `torch` of the python3 on the path; it is found, not imported.
fn of_python() -> Option<PathBuf> {
    let code = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])";
    let output = Command::new("python3").args(["-c", code]).output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (output.status.success() && folder.is_dir()).then_some(folder)
}

/// The name of a fetched libtorch in the cache.
fn cached() -> String {
    format!("libtorch-{VERSION}")
}

/// Fetches libtorch for the processor into the cache.
pub(crate) fn fetch() -> Result<PathBuf> {
    let folder = cache(&cached())?;
    output::note(&format!("fetching libtorch {VERSION} (540 MB) into {}", folder.display()));
    wheels::fetch("libtorch", FETCH, &folder)?;
    let torch = folder.join("torch");
    checked(TCH, &torch)?;
    Ok(torch)
}

/// Fetches it where there is none and nobody names one.
pub(super) fn prepare() -> Result<()> {
    if std::env::var_os("LIBTORCH").is_none() && find(TCH, Variant::Plain).is_err() {
        fetch()?;
    }
    Ok(())
}

/// Tells cargo where libtorch is. Its version was checked, from files that torch-sys doesn't read.
pub(super) fn for_build(cargo: &mut Command) -> Result<()> {
    cargo.env("LIBTORCH", find(TCH, Variant::Plain)?).env("LIBTORCH_BYPASS_VERSION_CHECK", "1");
    cargo.env_remove("LIBTORCH_USE_PYTORCH");
    Ok(())
}

/// A folder of libtorch with its headers, to build what `who` says.
pub(crate) fn with_headers(who: &str) -> Result<PathBuf> {
    let folder = find(who, Variant::Plain)?;
    if folder.join("include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp").is_file() {
        return Ok(folder);
    }
    Err(Error::user(format!("{who} is built with libtorch's headers, and {} lacks them", folder.display()))
        .help(format!("python3 -m pip install torch=={VERSION}, or name a whole folder of it in LIBTORCH")))
}

/// Loads libtorch for `who`, so that a library which needs it finds it wherever it lies on this machine.
pub(crate) fn load_for(who: &str) -> Result<()> {
    load_from(&find(who, Variant::Plain)?)
}

/// Loads libtorch for the backend's library.
pub(super) fn load(variant: Variant) -> Result<()> {
    load_from(&find(TCH, variant)?)
}

fn load_from(folder: &Path) -> Result<()> {
    let lib = folder.join("lib");
    for name in ["libc10.so", "libtorch_cpu.so"] {
        Library::preload(&lib.join(name))?;
    }
    Ok(())
}

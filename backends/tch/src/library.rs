//! The libtorch that this process has loaded: where it lies, which version it is, and its CUDA part.

use std::path::Path;
use std::sync::OnceLock;

use palimpsest_core::{Error, Result};

use crate::shim;

/// The only version of libtorch that this crate works with.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// What was found when the first backend was made.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    /// The version as libtorch writes it, with the name of the build (`2.11.0+cu130`).
    pub(crate) version: String,
    /// The number of CUDA devices.
    pub(crate) cuda_devices: usize,
    /// Why there is none, where the reason is known.
    pub(crate) no_cuda: Option<String>,
}

/// The version of the libtorch in `folder` (the one that `lib` lies in), from its own files:
/// `version.py` in Python's package, `build-version` in the archive from pytorch.org.
///
/// `None` where neither tells. Nothing is loaded, so that a loader can ask before it does.
pub fn libtorch_version(folder: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = std::fs::read_to_string(folder.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

/// Checks the loaded libtorch and loads its CUDA part, once per process.
///
/// # Errors
/// libtorch of another version: its functions would run and return garbage.
pub(crate) fn library() -> Result<Library> {
    static LIBRARY: OnceLock<Result<Library>> = OnceLock::new();
    LIBRARY.get_or_init(open).clone()
}

fn open() -> Result<Library> {
    let file = shim::library_path().ok_or_else(|| Error::failure("libtorch is linked but can't be found"))?;
    let libraries = file.parent().unwrap_or(Path::new("."));
    let folder = libraries.parent().unwrap_or(Path::new("."));
    let version = checked(folder)?;
    let (cuda_devices, no_cuda) = match load_cuda(libraries) {
        Ok(devices) => (devices, None),
        Err(why) => (0, Some(why)),
    };
    Ok(Library { version, cuda_devices, no_cuda })
}

fn checked(folder: &Path) -> Result<String> {
    let found = libtorch_version(folder);
    match &found {
        Some(version) if version.split('+').next() == Some(LIBTORCH_VERSION) => Ok(version.clone()),
        _ => {
            let found = found.unwrap_or_else(|| "of an unknown version".to_owned());
            let help =
                format!("install torch=={LIBTORCH_VERSION}, or name its lib folder in LD_LIBRARY_PATH");
            Err(Error::user(format!(
                "libtorch in {} is {found}, but the tch backend needs {LIBTORCH_VERSION}",
                folder.display()
            ))
            .help(help))
        }
    }
}

/// The number of CUDA devices, or why there is none.
fn load_cuda(libraries: &Path) -> std::result::Result<usize, String> {
    let cuda = libraries.join("libtorch_cuda.so");
    if !cuda.exists() {
        return Err("this libtorch has no CUDA part".to_owned());
    }
    // Without a driver there is nothing to find, and loading libtorch_cuda takes up to a second.
    shim::load(Path::new("libcuda.so.1")).map_err(|_| "there is no CUDA driver".to_owned())?;
    // Before libtorch is first asked for CUDA: it looks once and remembers.
    shim::load(&cuda)?;
    usize::try_from(tch::Cuda::device_count()).map_err(|_| "libtorch counts no CUDA device".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_and_others_are_refused() {
        let folder = std::env::temp_dir().join(format!("palimpsest-tch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(libtorch_version(&folder), None);
        assert!(checked(&folder).unwrap_err().to_string().contains("unknown version"));
        let python = "from typing import Optional\n__version__ = '2.11.0+cu130'\ncuda = '13.0'\n";
        std::fs::write(folder.join("version.py"), python).unwrap();
        assert_eq!(checked(&folder).unwrap(), "2.11.0+cu130");
        std::fs::write(folder.join("build-version"), "2.13.0+cpu\n").unwrap();
        let error = checked(&folder).unwrap_err();
        assert!(error.to_string().contains("is 2.13.0+cpu, but the tch backend needs 2.11.0"), "{error}");
        assert_eq!(error.exit_status(), 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_loaded_libtorch_is_the_right_one() {
        assert!(library().unwrap().version.starts_with(LIBTORCH_VERSION));
    }
}

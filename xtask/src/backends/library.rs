//! Where the library of a backend is, and how it is built.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use super::libtorch;
use crate::output;

/// A backend of this project.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// The manifest of a crate that is a workspace of its own; the others belong to this one.
    own_workspace: Option<&'static str>,
    /// Whether it needs libtorch.
    libtorch: bool,
}

/// The backends of this project.
pub(crate) const KNOWN: [Known; 3] = [
    Known {
        name: "burn",
        summary: "burn's Flex engine, pure Rust, on the processor: nothing to install",
        own_workspace: None,
        libtorch: false,
    },
    Known {
        name: "tch",
        summary: "libtorch 2.11.0, on the processor and CUDA: cargo xtask backend add tch",
        own_workspace: Some("backends/tch/Cargo.toml"),
        libtorch: true,
    },
    Known {
        name: "dfdx",
        summary: "dfdx 0.13, pure Rust, on the processor, with a tape of our own",
        own_workspace: None,
        libtorch: false,
    },
];

/// A folder with libraries, before all other places.
const FOLDER: &str = "PALIMPSEST_BACKENDS";

impl Known {
    fn file_name(&self) -> String {
        format!("{DLL_PREFIX}palimpsest_{}{DLL_SUFFIX}", self.name)
    }
}

/// The library of a name, or of a path.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    if name.contains(std::path::MAIN_SEPARATOR) || name.ends_with(DLL_SUFFIX) {
        return Ok(PathBuf::from(name));
    }
    let known = known(name)?;
    if known.libtorch {
        libtorch::load()?;
    }
    let file = known.file_name();
    if let Some(folder) = std::env::var_os(FOLDER) {
        let path = Path::new(&folder).join(&file);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Error::user(format!("{FOLDER} names a folder without {file}")).at(path.display()))
        };
    }
    let beside = executable_folder()?;
    let packed = beside.join("backends").join(&file);
    if packed.is_file() {
        return Ok(packed);
    }
    // `cargo xtask` tells where cargo is: a checkout, whose sources may have changed.
    if std::env::var_os("CARGO").is_some() {
        return build(name);
    }
    let built = built(known, &beside);
    if built.is_file() {
        return Ok(built);
    }
    Err(Error::user(format!("the library of the backend {name} is not built"))
        .at(built.display())
        .mend(format!("cargo xtask backend build {name}")))
}

fn known(name: &str) -> Result<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.name == name)
        .ok_or_else(|| unknown_name("backend", name, KNOWN.iter().map(|known| known.name)).at("--backend"))
}

/// The folder of this program: `target/release` in a checkout.
fn executable_folder() -> Result<PathBuf> {
    let path = std::env::current_exe().map_err(|e| Error::failure(format!("where am I? {e}")))?;
    Ok(path.parent().unwrap_or(Path::new(".")).to_owned())
}

/// Where cargo puts the library.
fn built(known: &Known, beside: &Path) -> PathBuf {
    match known.own_workspace {
        None => beside.join(known.file_name()),
        Some(_) => own_target(known, beside).join("release").join(known.file_name()),
    }
}

fn own_target(known: &Known, beside: &Path) -> PathBuf {
    beside.parent().unwrap_or(beside).join(known.name)
}

/// Builds the library of a backend from this checkout, and says where it is.
pub(crate) fn build(name: &str) -> Result<PathBuf> {
    let known = known(name)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    if !root.join("Cargo.toml").is_file() {
        return Err(Error::user("the sources that this program was built from are gone")
            .at(root.display())
            .mend("run cargo xtask in a checkout"));
    }
    let beside = executable_folder()?;
    let path = built(known, &beside);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--release", "--package", &format!("palimpsest-{name}")]);
    if let Some(manifest) = known.own_workspace {
        cargo.arg("--manifest-path").arg(root.join(manifest));
        cargo.arg("--target-dir").arg(own_target(known, &beside));
    }
    if known.libtorch {
        libtorch::for_build(&mut cargo)?;
    }
    if path.is_file() {
        cargo.arg("--quiet");
    } else {
        output::note(&format!("building the backend {name}; the first time takes minutes"));
    }
    let status = cargo.status().map_err(|e| {
        Error::user(format!("can't run cargo: {e}")).mend("install Rust, or use a packed archive")
    })?;
    if !status.success() {
        return Err(Error::failure(format!("the backend {name} could not be built")));
    }
    if !path.is_file() {
        return Err(Error::failure("cargo built no library there").at(path.display()));
    }
    Ok(path)
}

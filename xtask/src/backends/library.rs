//! Where the library of a backend is, and how it is built.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use super::{Variant, libtorch, toolkit};
use crate::output;

/// A backend of this project.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// The manifest of a crate that is a workspace of its own; the others belong to this one.
    own_workspace: Option<&'static str>,
    /// Whether it needs libtorch.
    libtorch: bool,
    /// Whether its CUDA variant is compiled with NVIDIA's compiler.
    toolkit: bool,
    /// Whether it has a variant for wgpu.
    wgpu: bool,
    /// What building its plain library takes, where the driver is built already.
    takes: &'static str,
}

/// The backends of this project.
pub(crate) const KNOWN: [Known; 3] = [
    Known {
        name: "burn",
        summary: "burn 0.22, pure Rust, on the processor: nothing to install; and on GPUs: cargo xtask backend build burn --cuda (or --wgpu)",
        own_workspace: None,
        libtorch: false,
        toolkit: false,
        wgpu: true,
        takes: "two to four minutes on two cores (backends/burn/README.md)",
    },
    Known {
        name: "tch",
        summary: "libtorch 2.11.0, on the processor and CUDA: cargo xtask backend add tch",
        own_workspace: Some("backends/tch/Cargo.toml"),
        libtorch: true,
        toolkit: false,
        wgpu: false,
        takes: "one to two minutes on two cores",
    },
    Known {
        name: "dfdx",
        summary: "dfdx 0.13, pure Rust, on the processor, with a tape of our own, and CUDA: cargo xtask backend build dfdx --cuda",
        own_workspace: None,
        libtorch: false,
        toolkit: true,
        wgpu: false,
        takes: "half a minute on two cores",
    },
];

/// A folder with libraries, before all other places.
const FOLDER: &str = "PALIMPSEST_BACKENDS";

impl Known {
    /// Whether it has a variant in a library of its own; libtorch's serves processor and CUDA.
    fn has_apart(&self, variant: Variant) -> bool {
        match variant {
            Variant::Plain => false,
            Variant::Cuda => !self.libtorch,
            Variant::Wgpu => self.wgpu,
        }
    }

    fn file_name(&self) -> String {
        format!("{DLL_PREFIX}palimpsest_{}{DLL_SUFFIX}", self.name)
    }
}

/// The library of a name, or of a path. From cargo a GPU's variant is only taken if it was built:
/// that takes minutes, and is not what everybody wants who names a device.
pub(super) fn find(name: &str, variant: Variant) -> Result<PathBuf> {
    if name.contains(std::path::MAIN_SEPARATOR) || name.ends_with(DLL_SUFFIX) {
        return Ok(PathBuf::from(name));
    }
    let known = known(name)?;
    if known.libtorch {
        libtorch::load(variant)?;
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
        let there = known.has_apart(variant) && built(known, variant, &beside).is_file();
        return build(name, if there { variant } else { Variant::Plain });
    }
    let both = [built(known, variant, &beside), built(known, Variant::Plain, &beside)];
    let [_, built] = &both;
    if let Some(built) = both.iter().find(|path| path.is_file()) {
        return Ok(built.clone());
    }
    if beside.join("backends").is_dir() {
        return Err(Error::user(format!("the backend {name} is not in this archive"))
            .help("take one that was made with it: cargo xtask dist --backends …"));
    }
    Err(Error::user(format!("the library of the backend {name} is not built"))
        .at(built.display())
        .help(format!("cargo xtask backend build {name}")))
}

fn known(name: &str) -> Result<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.name == name)
        .ok_or_else(|| unknown_name("backend", name, KNOWN.iter().map(|known| known.name)).at("--backend"))
}

/// The folder of this program: `target/release` in a checkout.
fn executable_folder() -> Result<PathBuf> {
    let path = std::env::current_exe()
        .map_err(|e| Error::failure(format!("cannot locate the driver's executable: {e}")))?;
    Ok(path.parent().unwrap_or(Path::new(".")).to_owned())
}

/// Where cargo puts the library.
fn built(known: &Known, variant: Variant, beside: &Path) -> PathBuf {
    match own_target(known, variant, beside) {
        None => beside.join(known.file_name()),
        Some(target) => target.join("release").join(known.file_name()),
    }
}

/// The target folder, where it is not the driver's: another one's features would have all that is
/// shared built again and again.
fn own_target(known: &Known, variant: Variant, beside: &Path) -> Option<PathBuf> {
    let target = beside.parent().unwrap_or(beside);
    match (known.own_workspace, variant) {
        (Some(_), _) => Some(target.join(known.name)),
        (None, Variant::Plain) if driver_of_another_workspace() => Some(checkout().join("target")),
        (None, variant) => variant.feature().map(|feature| target.join(feature)),
    }
}

/// The sources that this program was built from.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Whether this driver is another program than the checkout's own, with a target folder of its own: backends
/// stay in the checkout's, where they are built once for all.
fn driver_of_another_workspace() -> bool {
    let name = std::env::current_exe().ok().and_then(|exe| Some(exe.file_stem()?.to_owned()));
    let own = name.is_none_or(|name| name == "xtask" || name == "driver");
    !own && std::env::var_os("CARGO").is_some() && std::env::var_os("CARGO_TARGET_DIR").is_none()
}

/// What to do for a GPU where the loaded library of a backend lacks it.
pub(super) enum Way {
    /// Nothing that this program knows of.
    None,
    /// The library was built without that kind of GPU: this builds it.
    Build(String),
    /// It may have been built without.
    Maybe(String),
}

/// How a GPU's variant of a backend of this project is had.
pub(super) fn way_to(variant: Variant, name: &str) -> Way {
    let known = KNOWN.iter().find(|known| known.name == name && known.has_apart(variant));
    let (Some(known), Some(feature)) = (known, variant.feature()) else {
        return Way::None;
    };
    if std::env::var_os("CARGO").is_none() || std::env::var_os(FOLDER).is_some() {
        return Way::Maybe(format!("take an archive that was made with cargo xtask dist --{feature}"));
    }
    match executable_folder() {
        Ok(beside) if built(known, variant, &beside).is_file() => Way::None,
        _ => Way::Build(format!("cargo xtask backend build {name} --{feature}")),
    }
}

/// The variant of a backend that comes nearest to the one that is asked for: wgpu is burn's alone.
pub(crate) fn nearest(name: &str, variant: Variant) -> Result<Variant> {
    let known = known(name)?;
    Ok(if variant == Variant::Wgpu && !known.wgpu { Variant::Plain } else { variant })
}

/// Fetches what building it takes and is not on this machine.
pub(crate) fn prepare(name: &str, variant: Variant) -> Result<()> {
    let known = known(name)?;
    if known.libtorch {
        libtorch::prepare()?;
    }
    if known.toolkit && variant == Variant::Cuda {
        toolkit::prepare()?;
    }
    Ok(())
}

/// Builds the library of a backend from this checkout, and says where it is.
pub(crate) fn build(name: &str, variant: Variant) -> Result<PathBuf> {
    let known = known(name)?;
    if variant == Variant::Wgpu && !known.wgpu {
        return Err(Error::user(format!("the backend {name} does not run on wgpu"))
            .at("--wgpu")
            .help("cargo xtask backend build burn --wgpu"));
    }
    let root = checkout();
    if !root.join("Cargo.toml").is_file() {
        return Err(Error::user("the sources that this program was built from are gone")
            .at(root.display())
            .help("run cargo xtask in a checkout"));
    }
    let beside = executable_folder()?;
    let path = built(known, variant, &beside);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--release", "--package", &format!("palimpsest-{name}")]);
    if let Some(manifest) = known.own_workspace {
        cargo.arg("--manifest-path").arg(root.join(manifest));
    }
    if let Some(target) = own_target(known, variant, &beside) {
        cargo.arg("--target-dir").arg(target);
    }
    if let Some(feature) = variant.feature()
        && known.has_apart(variant)
    {
        cargo.args(["--features", feature]);
    }
    if variant == Variant::Cuda {
        // burn's bindings: a driver for CUDA 13.0 has all of their functions.
        if std::env::var_os("CUDARC_CUDA_VERSION").is_none() {
            cargo.env("CUDARC_CUDA_VERSION", "13000");
        }
        if known.toolkit {
            toolkit::for_build(&mut cargo)?;
        }
    }
    if known.libtorch {
        libtorch::for_build(&mut cargo)?;
    }
    let first = !path.is_file();
    if first {
        let (with, takes) = match variant {
            Variant::Plain => ("", known.takes),
            Variant::Cuda => (" with CUDA", "many minutes"),
            Variant::Wgpu => (" with wgpu", "many minutes"),
        };
        output::note(&format!("compiling the backend {name}{with}, this once; it takes {takes}"));
    } else {
        cargo.arg("--quiet");
    }
    let start = Instant::now();
    let status = cargo.status().map_err(|e| {
        Error::user(format!("can't run cargo: {e}")).help("install Rust, or use a packed archive")
    })?;
    if !status.success() {
        return Err(Error::failure(format!("the backend {name} could not be built")));
    }
    if !path.is_file() {
        return Err(Error::failure("cargo built no library there").at(path.display()));
    }
    if first {
        output::note(&format!("the backend {name} is compiled: {:.0} s", start.elapsed().as_secs_f64()));
    }
    Ok(path)
}

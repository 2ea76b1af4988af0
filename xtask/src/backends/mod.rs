//! Backends by name or path: their libraries are found, built where this is a checkout, and loaded.

mod library;
mod libtorch;
mod toolkit;
mod wheels;

use std::path::Path;
use std::sync::Arc;

use palimpsest_core::plugin::{Library, LoadedBackend};
use palimpsest_core::{Backend, Device, DeviceHandle, Error, Result};

use library::Way;
pub(crate) use library::{KNOWN, build, nearest, prepare};
pub(crate) use libtorch::{
    fetch as fetch_libtorch, load_for as load_libtorch, with_headers as libtorch_with_headers,
};
pub(crate) use toolkit::{fetch as fetch_toolkit, offer_nccl};

/// Which library of a backend.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// What needs nothing to be built.
    Plain,
    /// With CUDA.
    Cuda,
    /// With wgpu.
    Wgpu,
}

impl Variant {
    /// By the flags of a command, of which at most one is given.
    pub(crate) fn chosen(cuda: bool, wgpu: bool) -> Self {
        match (cuda, wgpu) {
            (true, _) => Self::Cuda,
            (_, true) => Self::Wgpu,
            _ => Self::Plain,
        }
    }

    /// What serves a device.
    pub(crate) fn of(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Plain,
            Device::Cuda(_) => Self::Cuda,
            Device::Wgpu(_) => Self::Wgpu,
        }
    }

    /// cargo's feature for it; also the name of its target folder.
    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Cuda => Some("cuda"),
            Self::Wgpu => Some("wgpu"),
        }
    }
}

/// The backend of a name, or of a library's path.
pub(crate) fn open(name: &str) -> Result<Arc<dyn Backend>> {
    open_variant(name, Variant::Plain)
}

fn open_variant(name: &str, variant: Variant) -> Result<Arc<dyn Backend>> {
    let backend = LoadedBackend::open(&library::find(name, variant)?)?;
    let found = backend.info().name;
    if KNOWN.iter().any(|known| known.name == name) && found != name {
        return Err(Error::user(format!("the library of the backend {name} calls itself {found}"))
            .at("--backend")
            .help(format!("build it again: cargo xtask backend build {name}")));
    }
    Ok(Arc::new(backend))
}

/// The library of a backend's name, built where this is a checkout.
pub(crate) fn library(name: &str) -> Result<std::path::PathBuf> {
    library::find(name, Variant::Plain)
}

/// A device of a backend.
pub(crate) fn device(name: &str, device: Device) -> Result<DeviceHandle> {
    let variant = Variant::of(device);
    let backend = open_variant(name, variant)?;
    let devices = backend.devices();
    if devices.contains(&device) {
        if variant == Variant::Cuda {
            offer_libraries();
        }
        return Ok(DeviceHandle { backend, id: device });
    }
    let list: Vec<String> = devices.iter().map(ToString::to_string).collect();
    let here = format!("the backend {name} has no device {device} on this machine");
    let choose = format!("choose among {}", list.join(", "));
    if variant == Variant::Plain {
        return Err(Error::user(here).at("--device").help(choose));
    }
    let way = library::way_to(variant, name);
    if let Way::Build(help) = way {
        let what = if variant == Variant::Cuda { "CUDA" } else { "wgpu" };
        return Err(Error::user(format!("{here}: it was built without {what}")).at("--device").help(help));
    }
    // The library knows whether it lacks the code, the driver or the GPU.
    let Err(reason) = backend.synchronize(device) else {
        return Err(Error::user(here).at("--device").help(choose));
    };
    let help = match (reason.help_text(), way) {
        (Some(help), _) => help.to_owned(),
        (None, Way::Maybe(help)) => help,
        (None, _) => choose,
    };
    let text = match reason.message() {
        whole if whole.contains(&device.to_string()) => whole.to_owned(),
        part => format!("{here}: {part}"),
    };
    Err(Error::user(text).at("--device").help(help))
}

/// Loads NVIDIA's libraries from where pip puts them, if they are there: a backend that asks for them
/// by name then has them, with no folder to be told. What the loader finds by itself comes first.
fn offer_libraries() {
    let names = ["libcublasLt.so.13", "libcublas.so.13", "libnvrtc.so.13"];
    let missing: Vec<&str> =
        names.into_iter().filter(|name| Library::preload(Path::new(name)).is_err()).collect();
    if missing.is_empty() {
        return;
    }
    let Some(folder) = toolkit::of_python() else { return };
    // NVRTC asks for this one by name when it first compiles; the name has the minor version in it.
    let builtins = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let builtins = builtins.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libnvrtc-builtins.so.")
    });
    for path in missing.iter().map(|name| folder.join(name)).chain(builtins) {
        // Where it fails, the backend says what it needs.
        drop(Library::preload(&path));
    }
}

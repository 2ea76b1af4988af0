//! The backends that are compared with burn in process: what `cargo test` built, each through the C table.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::plugin::{Library, LoadedBackend};
use palimpsest_core::{Device, DeviceHandle};

use crate::libraries::library;

/// libtorch's own libraries, where python3 has them.
fn libtorch() -> Option<PathBuf> {
    let code = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])";
    let output = std::process::Command::new("python3").args(["-c", code]).output().ok()?;
    let folder = Path::new(String::from_utf8(output.stdout).ok()?.trim()).join("lib");
    folder.is_dir().then_some(folder)
}

/// The backends that are climbed with: burn through the C table must be there, and dfdx; tch where it was built.
pub fn candidates() -> Vec<(&'static str, DeviceHandle)> {
    let mut found = vec![];
    for name in ["burn", "dfdx", "tch"] {
        let path = match library(name) {
            Some(path) => path,
            None if name == "tch" => {
                eprintln!("tch: passed over, its library is not built");
                continue;
            }
            None => panic!("the library of {name} is not built: cargo test --workspace --release"),
        };
        if name == "tch" {
            let Some(folder) = libtorch() else { continue };
            for part in ["libc10.so", "libtorch_cpu.so"] {
                Library::preload(&folder.join(part)).unwrap();
            }
        }
        let backend = LoadedBackend::open(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        found.push((name, DeviceHandle { backend: Arc::new(backend), id: Device::Cpu }));
    }
    found
}

/// |a - b| over the norm of a.
pub fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let scale = norm(&mut a.iter().copied());
    let gap = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
    if scale == 0.0 { gap } else { gap / scale }
}

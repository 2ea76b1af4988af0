//! A plug-in by its id, library, manifest or folder.

use std::path::{Path, PathBuf};

use palimpsest_core::error::unknown_name;
use palimpsest_core::plugin::{Installed, MANIFEST_SUFFIX, Manifest, manifests, manifests_of};
use palimpsest_core::{Error, Result};

use crate::plugins;

/// The manifests of the places that are searched, with the error of those that can't be read.
pub(super) fn all() -> Vec<(PathBuf, Result<Manifest>)> {
    let read = |place: PathBuf| -> Vec<(PathBuf, Result<Manifest>)> {
        let found = if place.is_dir() {
            manifests_of(&place)
        } else if place.to_string_lossy().ends_with(MANIFEST_SUFFIX) {
            vec![place]
        } else {
            beside(&place).into_iter().collect()
        };
        found.into_iter().map(|path| (path.clone(), Manifest::read(&path))).collect()
    };
    plugins::places().into_iter().flat_map(read).collect()
}

/// The manifest that names a library, beside it.
fn beside(library: &Path) -> Option<PathBuf> {
    let folder = library.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = library.file_name()?.to_str()?;
    manifests(folder).into_iter().find(|path| {
        Manifest::read(path).is_ok_and(|manifest| manifest.library.values().any(|file| file.file == name))
    })
}

/// The library of a plug-in. Nothing is loaded, and nothing is said of its contents.
pub(super) fn library(plugin: &str) -> Result<PathBuf> {
    let path = Path::new(plugin);
    if path.is_dir() {
        let found = manifests_of(path);
        return match found.as_slice() {
            [one] => of_manifest(one),
            [] => Err(Error::user("is a folder without a manifest")
                .at(plugin)
                .help("name a library, or build the plug-in: cargo xtask plugin build")),
            _ => Err(Error::user(format!("is a folder with {} plug-ins", found.len()))
                .at(plugin)
                .help("name one of its libraries")),
        };
    }
    if plugin.ends_with(MANIFEST_SUFFIX) {
        return of_manifest(path);
    }
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if plugin.contains(std::path::MAIN_SEPARATOR) || plugin.ends_with(std::env::consts::DLL_SUFFIX) {
        return Err(Error::user("no such library").at(plugin).help("build it: cargo xtask plugin build"));
    }
    let known: Vec<(PathBuf, Manifest)> =
        all().into_iter().filter_map(|(path, manifest)| Some((path, manifest.ok()?))).collect();
    let is_it = |id: &str| id == plugin || id.rsplit('.').next() == Some(plugin);
    let found: Vec<_> = known.iter().filter(|(_, manifest)| is_it(&manifest.id)).collect();
    match found.as_slice() {
        [(path, _)] => of_manifest(path),
        [] => {
            let ids: Vec<&str> = known.iter().map(|(_, manifest)| manifest.id.as_str()).collect();
            Err(if ids.is_empty() {
                Error::user(format!("no plug-in `{plugin}`, and none is installed"))
                    .help("give the path of its library, or name its folder with --plugin")
            } else {
                unknown_name("plug-in", plugin, ids)
            })
        }
        _ => {
            let places: Vec<String> = found.iter().map(|(path, _)| path.display().to_string()).collect();
            Err(Error::user(format!("`{plugin}` is in {}", places.join(" and ")))
                .help("name the library by its path"))
        }
    }
}

fn of_manifest(path: &Path) -> Result<PathBuf> {
    Ok(Installed::from_manifest(path)?.library().to_owned())
}

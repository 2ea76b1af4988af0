//! Finding plug-ins by their manifests.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::manifest::{MANIFEST_SUFFIX, Manifest, sha256};
use super::strategy_library::StrategyLibrary;
use crate::{Error, Result};

/// A plug-in that was found. Its library is loaded when it is first used.
#[derive(Debug)]
pub struct Installed {
    library: PathBuf,
    /// Read from beside the library; `None` for one that was named without a manifest.
    manifest: Option<(PathBuf, Manifest)>,
    id: String,
    summary: String,
    loaded: Mutex<Option<Arc<StrategyLibrary>>>,
}

impl Installed {
    /// A plug-in by its manifest.
    ///
    /// # Errors
    /// A manifest that can't be read, or with no library for this machine.
    pub fn from_manifest(path: &Path) -> Result<Self> {
        let manifest = Manifest::read(path)?;
        let file = &manifest.here().map_err(|e| e.at(path.display()))?.file;
        let library = path.parent().unwrap_or(Path::new("")).join(file);
        if !library.is_file() {
            return Err(Error::user(format!("names the library {file}, which is not beside it"))
                .at(path.display())
                .help("build the plug-in again: cargo xtask plugin build"));
        }
        let (id, summary) = (manifest.id.clone(), manifest.summary.clone());
        let manifest = Some((path.to_owned(), manifest));
        Ok(Self { library, manifest, id, summary, loaded: Mutex::default() })
    }

    /// A library that the user named, with the manifest beside it if there is one; else it is loaded at
    /// once to learn its id.
    ///
    /// # Errors
    /// No such library, or one that is no strategy.
    pub fn from_library(path: &Path) -> Result<Self> {
        let same = |manifest: &Self| manifest.library.file_name() == path.file_name();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = manifests(folder).into_iter().filter_map(|m| Self::from_manifest(&m).ok()).find(same);
        if let Some(found) = beside {
            return Ok(found);
        }
        let loaded = Arc::new(StrategyLibrary::open(path)?);
        Ok(Self {
            library: path.to_owned(),
            manifest: None,
            id: loaded.identity().id.clone(),
            summary: loaded.summary().to_owned(),
            loaded: Mutex::new(Some(loaded)),
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One line for people.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Its library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Its manifest, and where that lies.
    pub fn manifest(&self) -> Option<(&Path, &Manifest)> {
        self.manifest.as_ref().map(|(path, manifest)| (path.as_path(), manifest))
    }

    /// Its library, loaded.
    ///
    /// # Errors
    /// A library that can't be loaded, was changed since its manifest was written, or is another plug-in
    /// than its manifest says.
    pub fn load(&self) -> Result<Arc<StrategyLibrary>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            return Ok(library.clone());
        }
        if let Some((path, manifest)) = &self.manifest {
            let due = &manifest.here()?.sha256;
            let found = sha256(&self.library)?;
            if found != *due {
                return Err(Error::user(format!(
                    "was changed since its manifest was written: its sha256 is {found}, {} says {due}",
                    path.display()
                ))
                .at(self.library.display())
                .help("build the plug-in again: cargo xtask plugin build"));
            }
        }
        let library = StrategyLibrary::open(&self.library).map_err(|e| e.at(&self.id))?;
        if let Some((path, manifest)) = &self.manifest {
            let (major, minor) = library.abi();
            let identity = library.identity();
            for (what, says, is) in [
                ("id", &manifest.id, identity.id.clone()),
                ("version", &manifest.version, identity.version.clone()),
                ("abi", &manifest.abi, format!("{major}.{minor}")),
            ] {
                if *says != is {
                    return Err(Error::user(format!("says {what} {says}, and its library is {what} {is}"))
                        .at(path.display())
                        .help("build the plug-in again: cargo xtask plugin build"));
                }
            }
        }
        let library = Arc::new(library);
        *loaded = Some(library.clone());
        Ok(library)
    }
}

/// The manifests in a folder, by name; none where it can't be read.
pub fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_manifest = |path: &PathBuf| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(MANIFEST_SUFFIX))
    };
    let mut found: Vec<_> = entries.filter(is_manifest).collect();
    found.sort();
    found
}

/// The manifests of a folder, or, where it has none, of the folder `plugin` in it: a plug-in's sources are
/// beside what was built of them.
pub fn manifests_of(folder: &Path) -> Vec<PathBuf> {
    let here = manifests(folder);
    if here.is_empty() { manifests(&folder.join("plugin")) } else { here }
}

/// The plug-ins at some places, in their order: a library, a manifest, a folder of manifests, or a plug-in's own folder.
///
/// # Errors
/// A place where nothing is, a broken manifest, or two plug-ins with one id.
pub fn discover(places: &[PathBuf]) -> Result<Vec<Installed>> {
    let mut found: Vec<Installed> = vec![];
    for place in places {
        let here: Vec<Installed> = if place.is_dir() {
            manifests_of(place).iter().map(|path| Installed::from_manifest(path)).collect::<Result<_>>()?
        } else if place.to_string_lossy().ends_with(MANIFEST_SUFFIX) {
            vec![Installed::from_manifest(place)?]
        } else if place.is_file() {
            vec![Installed::from_library(place)?]
        } else {
            return Err(Error::user("no plug-in is there")
                .at(place.display())
                .help(format!("give a library, a folder, or a manifest NAME{MANIFEST_SUFFIX}")));
        };
        for plugin in here {
            let same_file =
                |other: &Installed| other.library.canonicalize().ok() == plugin.library.canonicalize().ok();
            match found.iter().find(|other| other.id == plugin.id) {
                None => found.push(plugin),
                Some(other) if same_file(other) => {}
                Some(other) => {
                    return Err(Error::user(format!(
                        "two plug-ins have the id {}: {} and {}",
                        plugin.id,
                        other.library.display(),
                        plugin.library.display()
                    ))
                    .help("remove one of them, or name it differently"));
                }
            }
        }
    }
    Ok(found)
}

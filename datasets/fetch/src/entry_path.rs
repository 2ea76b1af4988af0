//! Where an archive's entry may go.

use std::path::{Component, Path, PathBuf};

use palimpsest_core::{Error, Result};

/// The path of an entry below `folder`.
///
/// # Errors
/// A path that is absolute, climbs out, or has no name.
pub(crate) fn below(folder: &Path, entry: &Path) -> Result<PathBuf> {
    let mut path = folder.to_owned();
    let mut named = false;
    for component in entry.components() {
        match component {
            Component::Normal(part) => {
                // A backslash separates folders elsewhere, and no published set has one in a name.
                if part.to_string_lossy().contains('\\') {
                    return Err(hostile(entry, "has a backslash in its name"));
                }
                path.push(part);
                named = true;
            }
            Component::CurDir => {}
            Component::ParentDir => return Err(hostile(entry, "climbs out of the folder")),
            Component::RootDir | Component::Prefix(_) => return Err(hostile(entry, "has an absolute path")),
        }
    }
    if named || entry == Path::new("./") || entry == Path::new(".") {
        Ok(path)
    } else {
        Err(hostile(entry, "has no name"))
    }
}

/// An archive that no honest owner publishes.
pub(crate) fn hostile(entry: &Path, what: &str) -> Error {
    Error::user(format!("the entry `{}` {what}", entry.display()))
        .help("don't trust this file: fetch it from its owners")
}

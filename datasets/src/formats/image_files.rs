//! The image files of a folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};
use walkdir::WalkDir;

use crate::decode::is_image;

/// Whether a file or folder is hidden, as `._a.jpg`, which macOS writes beside `a.jpg` on foreign disks.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The regular files below a folder, at any depth, in the order of their paths; links are followed, and what
/// is hidden is passed over. Pipes, sockets and devices are no files, whatever their names.
///
/// # Errors
/// A folder that can't be read, a link in a circle.
pub(crate) fn regular_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let walk = WalkDir::new(folder)
        .follow_links(true)
        .into_iter()
        .filter_entry(|e| e.depth() == 0 || !is_hidden(e.file_name()));
    let mut files = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|e| {
            let location = e.path().unwrap_or(folder).to_owned();
            match e.io_error() {
                Some(io) => Error::io(&location, io),
                None => Error::user(e.to_string()).at(location.display()).help("remove the link"),
            }
        })?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Those of the [`regular_files`] that are images by their names.
///
/// # Errors
/// As [`regular_files`].
pub(crate) fn image_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = regular_files(folder)?;
    files.retain(|file| is_image(file));
    Ok(files)
}

/// The sub-folders that aren't hidden, in the order of their names; none where there is no such folder.
pub(crate) fn sub_folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let mut all: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| !is_hidden(name)))
        .collect();
    all.sort_unstable();
    all
}

/// The name without folders and ending.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folder of a file.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

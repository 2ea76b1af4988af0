//! Zip archives.

use std::fs;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};
use zip::ZipArchive;

use crate::budget::{Budget, damaged};
use crate::entry_path::{below, hostile};

/// Unpacks a zip archive; its checksums are compared.
///
/// # Errors
/// An archive that is damaged or hostile, or a disk that is full.
pub(crate) fn unpack(input: impl Read + Seek, folder: &Path, budget: &mut Budget) -> Result<()> {
    let mut archive = ZipArchive::new(input).map_err(|e| damaged(&e))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| damaged(&e))?;
        // The raw name: the crate's own clean-up would hide what is wrong with it.
        let name = PathBuf::from(entry.name().map_err(|e| damaged(&e))?.into_owned());
        budget.entry(&name)?;
        if entry.is_symlink() {
            return Err(hostile(&name, "is a link"));
        }
        let path = below(folder, &name)?;
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(|e| Error::io(&path, &e))?;
        } else {
            budget.copy(&name, &mut entry, &path)?;
        }
    }
    Ok(())
}

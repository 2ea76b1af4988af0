//! Tar archives.

use std::fs;
use std::io::Read;
use std::path::Path;

use palimpsest_core::{Error, Result};
use tar::EntryType;

use crate::budget::{Budget, damaged};
use crate::entry_path::{below, hostile};

/// Unpacks a tar stream.
///
/// # Errors
/// An archive that is damaged or hostile, or a disk that is full.
pub(crate) fn unpack(input: impl Read, folder: &Path, budget: &mut Budget) -> Result<()> {
    let mut archive = tar::Archive::new(input);
    for entry in archive.entries().map_err(|e| damaged(&e))? {
        let mut entry = entry.map_err(|e| damaged(&e))?;
        let name = entry.path().map_err(|e| damaged(&e))?.into_owned();
        budget.entry(&name)?;
        match entry.header().entry_type() {
            EntryType::Directory => {
                let path = below(folder, &name)?;
                fs::create_dir_all(&path).map_err(|e| Error::io(&path, &e))?;
            }
            EntryType::Regular | EntryType::Continuous => {
                let path = below(folder, &name)?;
                budget.copy(&name, &mut entry, &path)?;
            }
            EntryType::XGlobalHeader | EntryType::XHeader => {}
            EntryType::Link | EntryType::Symlink => return Err(hostile(&name, "is a link")),
            _ => return Err(hostile(&name, "is neither a file nor a folder")),
        }
    }
    Ok(())
}

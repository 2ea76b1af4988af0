//! Tar archives.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

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
    // The name that a header before the entry's own gives it.
    let mut told: Option<PathBuf> = None;
    // Raw: the crate would read such headers whole, and they may claim gigabytes.
    for entry in archive.entries().map_err(|e| damaged(&e))?.raw(true) {
        let mut entry = entry.map_err(|e| damaged(&e))?;
        let kind = entry.header().entry_type();
        let own = entry.path().map_err(|e| damaged(&e))?.into_owned();
        if kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions() {
            budget.entry(&own)?;
            let text = extension(&mut entry, &own)?;
            if kind.is_gnu_longname() {
                told = Some(path_of(text.strip_suffix(b"\0").unwrap_or(&text)));
            } else if kind.is_pax_local_extensions() {
                told = pax_path(&text, &own)?.or(told);
            }
            continue;
        }
        let name = told.take().unwrap_or(own);
        budget.entry(&name)?;
        match kind {
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

/// How long a header with names may be; a path has 4,096 bytes at most.
const LONGEST: u64 = 1 << 20;

/// The body of a header that tells of the next entry.
fn extension(entry: &mut impl Read, name: &Path) -> Result<Vec<u8>> {
    let mut text = vec![];
    entry.take(LONGEST + 1).read_to_end(&mut text).map_err(|e| damaged(&e))?;
    if text.len() as u64 > LONGEST {
        return Err(hostile(name, "has a header of far more bytes than names take"));
    }
    Ok(text)
}

/// The path in an extended header of POSIX.
fn pax_path(text: &[u8], name: &Path) -> Result<Option<PathBuf>> {
    let mut path = None;
    for pair in tar::PaxExtensions::new(text) {
        let pair = pair.map_err(|e| damaged(&e))?;
        match pair.key_bytes() {
            b"path" => path = Some(path_of(pair.value_bytes())),
            // Of another size than the header that follows says: files beyond 8 GB, which no set here has.
            b"size" => return Err(hostile(name, "tells its size apart from its header")),
            _ => {}
        }
    }
    Ok(path)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

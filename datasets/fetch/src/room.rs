//! The room on the disk.

use std::path::Path;

use palimpsest_core::{Error, Result};

use crate::catalog::{Set, Unpack};

/// About how many bytes fetching takes, with `present` bytes of it on disk already: archives and
/// what comes out of them. Images are compressed already; half as much again covers label maps and JSON.
pub(crate) fn needed(set: &Set, present: u64) -> u64 {
    let unpacked: u64 = set
        .files
        .iter()
        .map(|file| match file.unpack {
            Unpack::None => 0,
            Unpack::Tar => file.size,
            Unpack::TarGz | Unpack::Zip => file.size + file.size / 2,
        })
        .sum();
    set.size().saturating_sub(present) + unpacked
}

/// Refuses to start what won't fit.
///
/// # Errors
/// A disk with less room.
pub(crate) fn check(folder: &Path, needed: u64) -> Result<()> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    // Where the system doesn't tell, the disk itself will.
    let Ok(free) = fs4::available_space(existing) else { return Ok(()) };
    if free >= needed {
        return Ok(());
    }
    Err(Error::user(format!("about {} are needed and {} are free", bytes(needed), bytes(free)))
        .at(folder.display())
        .help("free some space, or give --out on another disk"))
}

/// A number of bytes as people read it.
pub(crate) fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        ..1e6 => format!("{:.1} kB", count / 1e3),
        ..1e9 => format!("{:.1} MB", count / 1e6),
        _ => format!("{:.1} GB", count / 1e9),
    }
}

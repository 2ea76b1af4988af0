//! A whole data set: room, files, archives.

use std::fs;
use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use crate::catalog::{Set, Unpack};
use crate::transfer::Progress;
use crate::{room, transfer, unpack};

/// What marks a folder that holds the whole of a set.
const MARK: &str = ".fetched";
/// Where files are before they are unpacked; it also tells a folder of ours from the user's.
const DOWNLOADS: &str = ".fetching";

/// What fetching a set would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The folder.
    pub folder: PathBuf,
    /// Whether all of it is there.
    pub complete: bool,
    /// Bytes of its files.
    pub size: u64,
    /// Bytes of them that are there.
    pub present: u64,
    /// About how many bytes it takes on disk, with archives beside what comes out of them.
    pub needed: u64,
}

/// What fetching did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What the reader is given as `data.path`.
    pub path: PathBuf,
    /// Whether it was there already.
    pub already: bool,
}

/// What fetching a set into a folder would do; nothing is changed.
pub fn plan(set: &Set, folder: &Path) -> Plan {
    let downloads = folder.join(DOWNLOADS);
    let length = |path: PathBuf| path.metadata().ok().map(|metadata| metadata.len());
    let present = set
        .files
        .iter()
        .filter_map(|file| {
            length(downloads.join(&file.name))
                .or_else(|| length(downloads.join(format!("{}.part", file.name))))
        })
        .sum();
    Plan {
        folder: folder.to_owned(),
        complete: mark_of(folder).is_some_and(|mark| mark == identity(set)),
        size: set.size(),
        present,
        needed: room::needed(set, present),
    }
}

/// Fetches a set into a folder: every file is verified before the first is unpacked, and what is
/// unpacked appears under its name when all of it is there. With `keep`, archives stay.
///
/// # Errors
/// Too little room; a folder that can't be written or holds something else; no address has a file; a file
/// isn't what was published; an archive is damaged or hostile.
pub fn fetch(set: &Set, folder: &Path, keep: bool, progress: &mut dyn Progress) -> Result<Fetched> {
    let path = folder.join(&set.path);
    let plan = plan(set, folder);
    if plan.complete {
        return Ok(Fetched { path, already: true });
    }
    if let Some(other) = mark_of(folder) {
        let name = other.lines().next().unwrap_or_default().to_owned();
        return Err(Error::user(format!("holds the data set `{name}`, or an older version"))
            .at(folder.display())
            .help("give another --out, or delete the folder"));
    }
    let downloads = folder.join(DOWNLOADS);
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !downloads.is_dir() {
        return Err(Error::user("holds something else already")
            .at(folder.display())
            .help("give --out a folder that is new or empty"));
    }
    room::check(folder, plan.needed)?;
    fs::create_dir_all(&downloads).map_err(|e| Error::io(&downloads, &e))?;
    let mut files = vec![];
    for file in &set.files {
        files.push(transfer::file(file, &downloads, progress)?);
    }
    // All archives of a set share folders, so they are unpacked into one place and moved from there.
    let staging = folder.join(".unpacking");
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(|e| Error::io(&staging, &e))?;
    }
    fs::create_dir_all(&staging).map_err(|e| Error::io(&staging, &e))?;
    for (file, path) in set.files.iter().zip(&files) {
        progress.phase(&format!("unpacking {}", file.name));
        match file.unpack {
            Unpack::None => {
                let to = staging.join(&file.name);
                fs::copy(path, &to).map_err(|e| Error::io(&to, &e))?;
            }
            kind => unpack::unpack(path, kind, &staging).inspect_err(|_| {
                let _ = fs::remove_dir_all(&staging);
            })?,
        }
    }
    publish(&staging, folder)?;
    let mark = folder.join(MARK);
    fs::write(&mark, identity(set)).map_err(|e| Error::io(&mark, &e))?;
    if !keep {
        fs::remove_dir_all(&downloads).map_err(|e| Error::io(&downloads, &e))?;
    }
    progress.end();
    Ok(Fetched { path, already: false })
}

/// Moves what was unpacked into the folder; what stood there under the same name is an unfinished try's.
fn publish(staging: &Path, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(staging).map_err(|e| Error::io(staging, &e))? {
        let entry = entry.map_err(|e| Error::io(staging, &e))?;
        let to = folder.join(entry.file_name());
        if to.is_dir() {
            fs::remove_dir_all(&to).map_err(|e| Error::io(&to, &e))?;
        }
        fs::rename(entry.path(), &to).map_err(|e| Error::io(&to, &e))?;
    }
    fs::remove_dir(staging).map_err(|e| Error::io(staging, &e))
}

/// The set's name and what its files are known by.
fn identity(set: &Set) -> String {
    let files = set.files.iter().map(|file| {
        let sum = file.sha256.as_ref().or(file.md5.as_ref()).map_or("", String::as_str);
        format!("{} {} {sum}\n", file.name, file.size)
    });
    format!("{}\n{}", set.name, files.collect::<String>())
}

fn mark_of(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(MARK)).ok()
}

//! Archives, taken apart as if their authors were hostile: nothing leaves the folder, no links, no
//! devices, and no more bytes than an honest archive of that size holds.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use palimpsest_core::{Error, Result};

use crate::catalog::Unpack;
use crate::entry_path::hostile;
use crate::{unpack_tar, unpack_zip};

/// Unpacks an archive into a folder, which is made.
///
/// # Errors
/// An archive that is damaged or hostile, or a disk that is full.
pub(crate) fn unpack(archive: &Path, kind: Unpack, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    let input = File::open(archive).map_err(|e| Error::io(archive, &e))?;
    let size = input.metadata().map_err(|e| Error::io(archive, &e))?.len();
    let mut budget = Budget::of(size);
    let done = match kind {
        Unpack::None => Ok(()),
        Unpack::Tar => unpack_tar::unpack(BufReader::new(input), folder, &mut budget),
        Unpack::TarGz => {
            let plain = MultiGzDecoder::new(BufReader::new(input));
            unpack_tar::unpack(BufReader::new(plain), folder, &mut budget)
        }
        Unpack::Zip => unpack_zip::unpack(BufReader::new(input), folder, &mut budget),
    };
    done.map_err(|e| e.at(archive.display()))
}

/// What an archive may still unpack to.
pub(crate) struct Budget {
    bytes: u64,
    entries: u64,
}

impl Budget {
    /// The published sets unpack to at most ten times their size (JSON); a bomb to a thousand times.
    fn of(archive: u64) -> Self {
        Self { bytes: 20 * archive + (1 << 26), entries: 2_000_000 }
    }

    /// Counts an entry.
    pub(crate) fn entry(&mut self, path: &Path) -> Result<()> {
        self.entries = self.entries.checked_sub(1).ok_or_else(|| hostile(path, "is one of millions"))?;
        Ok(())
    }

    /// Writes an entry's bytes into a new file, as far as the budget goes.
    pub(crate) fn copy(&mut self, entry: &Path, input: &mut dyn Read, path: &Path) -> Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io(parent, &e))?;
        }
        // A name that comes twice replaces the first, as tar does; a link can't be there.
        let file = File::create(path).map_err(|e| Error::io(path, &e))?;
        let mut out = BufWriter::new(file);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = input.read(&mut buffer).map_err(|e| damaged(&e))?;
            if count == 0 {
                break;
            }
            self.bytes = self
                .bytes
                .checked_sub(count as u64)
                .ok_or_else(|| hostile(entry, "unpacks to far more than an archive of this size holds"))?;
            out.write_all(&buffer[..count]).map_err(|e| Error::io(path, &e))?;
        }
        out.flush().map_err(|e| Error::io(path, &e))
    }
}

/// An archive that can't be read on.
pub(crate) fn damaged(error: &dyn std::fmt::Display) -> Error {
    Error::user(format!("the archive is damaged or truncated ({error})"))
        .mend("delete the file and fetch it again")
}

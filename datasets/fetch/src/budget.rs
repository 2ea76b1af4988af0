//! How much an archive may unpack to.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use palimpsest_core::{Error, Result};

use crate::entry_path::hostile;

/// What an archive may still unpack to.
pub(crate) struct Budget {
    bytes: u64,
    entries: u64,
}

impl Budget {
    /// Of an archive of this many bytes. The published sets unpack to at most ten times their size (JSON); a bomb to a thousand times.
    pub(crate) fn of(archive: u64) -> Self {
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
        .help("delete the file and fetch it again")
}

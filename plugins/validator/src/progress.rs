//! A number that outlives the process that wrote it.
#![allow(unsafe_code, reason = "maps a file")]

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use palimpsest_core::{Error, Result};

/// A file of eight bytes, mapped: writing to it costs a store, so that it can be told each seed of millions.
pub struct Progress {
    number: *mut AtomicU64,
}

impl Progress {
    /// Maps a file of eight bytes.
    ///
    /// # Errors
    /// No such file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| Error::io(path, &e))?;
        // SAFETY: the file has eight bytes; the mapping outlives the descriptor.
        let map = unsafe {
            libc::mmap(
                null_mut(),
                8,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(Error::io(path, &std::io::Error::last_os_error()));
        }
        Ok(Self { number: map.cast() })
    }

    /// Writes a number; 0 stands for none.
    pub fn put(&self, number: u64) {
        // SAFETY: mapped for the life of the process, aligned to a page.
        unsafe { &*self.number }.store(number, Ordering::Relaxed);
    }

    /// The number in a file.
    pub fn read(path: &Path) -> Option<u64> {
        let bytes = std::fs::read(path).ok()?;
        Some(u64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?)).filter(|&number| number != 0)
    }
}

//! The lock by which one process alone trains a run.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::RunFolder;
use crate::stored::check_regular;
use crate::{Error, Result};

/// Whether a process trains a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// None does.
    Free,
    /// One does, here or on another machine that sees the lock.
    Taken,
    /// The file system has no locks, or the file can't be opened.
    Unknown,
}

impl RunFolder {
    /// Keeps other processes from training the run, until the last clone of this is dropped.
    ///
    /// # Errors
    /// One does already, or the folder can't be written.
    pub fn locked(mut self) -> Result<Self> {
        let path = self.path(".lock");
        check_regular(&path)?;
        let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(|e| Error::io(&path, &e))?;
        match patiently(&file) {
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another process" } else { holder.trim() };
                return Err(Error::user(format!("{holder} trains this run"))
                    .at(self.root.display())
                    .help("wait for its end, or stop it; a stopped run is resumed"));
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(_)) => {}
            Ok(()) => {
                let holder = format!("process {}\n", std::process::id());
                let told = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
                told.map_err(|e| Error::io(&path, &e))?;
            }
        }
        self.lock = Some(Arc::new(file));
        Ok(self)
    }

    /// Whether a process trains the run in the folder `root` at this moment. Nothing is written.
    pub fn in_use(root: &Path) -> Use {
        let path = root.join(".lock");
        if check_regular(&path).is_err() {
            return Use::Unknown;
        }
        match File::open(path) {
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Use::Free,
                Err(TryLockError::WouldBlock) => Use::Taken,
                Err(TryLockError::Error(_)) => Use::Unknown,
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Use::Free,
            Err(_) => Use::Unknown,
        }
    }
}

/// Who only asks holds the lock for a moment ([`RunFolder::in_use`]), and a process that trains for longer.
fn patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..5 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
    file.try_lock()
}

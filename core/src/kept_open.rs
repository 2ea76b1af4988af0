//! Files of data that stay open, up to a number in a process: a set may have more shards than a process may have files.

use std::fs::File;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Files that stay open; a process may have 1,024, and loaders and checkpoints need some too.
const MOST: usize = 512;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// A file that is opened when it is first asked for, and stays open unless many others do: then it is opened each time.
pub struct KeptOpen {
    path: PathBuf,
    file: OnceLock<Arc<File>>,
}

impl KeptOpen {
    /// Opens nothing yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: OnceLock::new() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file. Who reads it has to compare its state: it may be another one than the last time.
    ///
    /// # Errors
    /// A file that can't be opened.
    pub fn get(&self) -> Result<Arc<File>> {
        if let Some(file) = self.file.get() {
            return Ok(file.clone());
        }
        let file = Arc::new(File::open(&self.path)?);
        let kept = OPEN.fetch_add(1, Ordering::Relaxed) < MOST && self.file.set(file.clone()).is_ok();
        if !kept {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(file)
    }
}

impl Drop for KeptOpen {
    fn drop(&mut self) {
        if self.file.get().is_some() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_stay_open_than_may() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let open = |count: usize| -> Vec<KeptOpen> {
            let files: Vec<KeptOpen> = (0..count).map(|_| KeptOpen::new(path)).collect();
            for file in files.iter().chain(&files) {
                let length = file.get().expect("opens").metadata().expect("a state").len();
                assert_eq!(length, std::fs::metadata(path).expect("a state").len());
            }
            files
        };
        let kept = |files: &[KeptOpen]| files.iter().filter(|file| file.file.get().is_some()).count();
        let files = open(MOST + 100);
        assert_eq!(kept(&files), MOST);
        // Others find no room, until some are closed.
        assert_eq!(kept(&open(3)), 0);
        drop(files);
        assert_eq!(kept(&open(3)), 3);
        assert_eq!(OPEN.load(Ordering::Relaxed), 0);
        assert!(KeptOpen::new("nowhere/at.all").get().is_err());
    }
}

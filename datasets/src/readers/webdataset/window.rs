//! The bytes of a shard for a reader of headers: a few blocks at a time, since nearly all between the headers is skipped.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::rc::Rc;

use palimpsest_core::positioned::read_at;

/// A header, a short label and the header behind it.
const WINDOW: usize = 4096;

/// A file of which what was read last is kept, also when the place in it moves.
pub(super) struct Window<'a> {
    file: &'a File,
    place: u64,
    kept: Vec<u8>,
    kept_from: u64,
    /// The furthest place to which bytes were wanted.
    wanted: Rc<Cell<u64>>,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, place: 0, kept: Vec::new(), kept_from: 0, wanted: Rc::default() }
    }

    /// The furthest place to which bytes were wanted, also later on.
    pub(super) fn wanted(&self) -> Rc<Cell<u64>> {
        self.wanted.clone()
    }
}

impl Read for Window<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.wanted.set(self.wanted.get().max(self.place + into.len() as u64));
        let within = self.place.checked_sub(self.kept_from).and_then(|at| usize::try_from(at).ok());
        let kept = within.filter(|&at| at < self.kept.len());
        let kept = match kept {
            Some(at) => at,
            // A long body, such as a label in JSON.
            None if into.len() >= WINDOW => {
                let read = read_at(self.file, into, self.place)?;
                self.place += read as u64;
                return Ok(read);
            }
            None => {
                self.kept.resize(WINDOW, 0);
                let read =
                    read_at(self.file, &mut self.kept, self.place).inspect_err(|_| self.kept.clear())?;
                self.kept.truncate(read);
                self.kept_from = self.place;
                0
            }
        };
        let count = into.len().min(self.kept.len() - kept);
        into[..count].copy_from_slice(&self.kept[kept..kept + count]);
        self.place += count as u64;
        Ok(count)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.place = place.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}

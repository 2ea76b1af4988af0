//! Reads at a place of a file, which several threads may do at once: `File`'s own `ChunkReader` moves a place that all share.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Result};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use palimpsest_core::positioned::{read_at, read_exact_at};
use parquet::file::reader::{ChunkReader, Length};

/// A page's header and what follows it.
const BUFFER: usize = 1024;

/// The body of a page as it lies in the file.
pub(crate) struct Body {
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
}

/// A file of which is kept what was read last as a whole: a page reader reads pages so.
pub(crate) struct Watched {
    file: Arc<File>,
    length: u64,
    last: Mutex<Option<Body>>,
}

impl Watched {
    pub(crate) fn new(file: Arc<File>, length: u64) -> Self {
        Self { file, length, last: Mutex::new(None) }
    }

    pub(crate) fn take_last(&self) -> Option<Body> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Length for Watched {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Watched {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::with_capacity(BUFFER, From { file: self.file.clone(), place: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // Before memory is taken for what a damaged header says.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        let mut bytes = vec![0; length];
        read_exact_at(&self.file, &mut bytes, start)?;
        let bytes = Bytes::from(bytes);
        let body = Body { offset: start, bytes: bytes.clone() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        Ok(bytes)
    }
}

/// A file from a place on.
pub(crate) struct From {
    file: Arc<File>,
    place: u64,
}

impl Read for From {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = read_at(&self.file, into, self.place)?;
        self.place += read as u64;
        Ok(read)
    }
}

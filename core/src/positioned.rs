//! Reads at a place of a file, which several threads may do at once.

use std::fs::File;
use std::io::{ErrorKind, Result};

/// Fills `buffer` with the bytes from `offset` on.
///
/// # Errors
/// A file that ends before.
pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> Result<()> {
    while !buffer.is_empty() {
        match read_at(file, buffer, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads some bytes at `offset`; none at the end.
///
/// # Errors
/// A file that can't be read.
#[cfg(unix)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads some bytes at `offset`; none at the end. The file's own place moves, which nobody asks for.
///
/// # Errors
/// A file that can't be read.
#[cfg(windows)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// When a file was written last, in nanoseconds since 1970; 0 where the system doesn't tell.
pub fn written_at(metadata: &std::fs::Metadata) -> u64 {
    let since = metadata.modified().map(|time| time.duration_since(std::time::UNIX_EPOCH));
    since.ok().and_then(std::result::Result::ok).map_or(0, |since| since.as_nanos() as u64)
}

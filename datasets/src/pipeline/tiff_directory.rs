//! The directory of a TIFF's page: where its entries are, and the few numbers that are needed before it is decoded.

use std::io::{Read, Seek, SeekFrom};

/// The tags that are asked for.
pub(super) mod tag {
    pub(in crate::pipeline) const WIDTH: u16 = 256;
    pub(in crate::pipeline) const HEIGHT: u16 = 257;
    pub(in crate::pipeline) const PHOTOMETRIC: u16 = 262;
    pub(in crate::pipeline) const ORIENTATION: u16 = 274;
}

/// An entry whose value is one integer of 8 to 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tag: u16,
    pub(super) value: u64,
    /// Where the value is in the file, and its bytes.
    pub(super) at: u64,
    pub(super) width: usize,
}

/// The entries of a directory that hold one integer.
#[derive(Debug)]
pub(super) struct Directory {
    /// Whether the first byte of a number is its highest.
    pub(super) big_endian: bool,
    pub(super) entries: Vec<Entry>,
}

impl Directory {
    pub(super) fn get(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag).copied()
    }

    /// Writes another value of an entry into its file; none if there is no room for it.
    pub(super) fn set(&self, file: &mut [u8], entry: Entry, value: u64) -> Option<()> {
        let at = usize::try_from(entry.at).ok()?;
        let place = file.get_mut(at..at.checked_add(entry.width)?)?;
        let mut bytes = value.to_le_bytes();
        if bytes[entry.width..].iter().any(|byte| *byte > 0) {
            return None;
        }
        if self.big_endian {
            bytes[..entry.width].reverse();
        }
        place.copy_from_slice(&bytes[..entry.width]);
        Some(())
    }

    /// The directory at `at`, or the first; none of what is no TIFF or ends before it should.
    pub(super) fn read(source: &mut (impl Read + Seek), at: Option<u64>) -> Option<Self> {
        source.seek(SeekFrom::Start(0)).ok()?;
        let mut source = Source { source, big_endian: false };
        source.big_endian = match &source.bytes::<2>()? {
            b"II" => false,
            b"MM" => true,
            _ => return None,
        };
        let big = match source.number(2)? {
            42 => false,
            43 => true,
            _ => return None,
        };
        let word = if big { 8 } else { 4 };
        if big && (source.number(2)?, source.number(2)?) != (8, 0) {
            return None;
        }
        let first = source.number(word)?;
        let at = at.unwrap_or(first);
        source.source.seek(SeekFrom::Start(at)).ok()?;
        let (count, head) = if big { (source.number(8)?, 8) } else { (source.number(2)?, 2) };
        let entry = 4 + 2 * word as u64;
        let mut entries = Vec::new();
        // No directory has more tags than there are.
        for i in 0..count.min(1 << 16) {
            let (tag, kind, values) = (source.number(2)?, source.number(2)?, source.number(word)?);
            // BYTE, SHORT, LONG, LONG8.
            let width = match kind {
                1 => 1,
                3 => 2,
                4 => 4,
                16 => 8,
                _ => 0,
            };
            let here = at.checked_add(head + i * entry + entry - word as u64)?;
            if width > 0 && width <= word && values == 1 {
                let value = source.number(width)?;
                entries.push(Entry { tag: tag as u16, value, at: here, width });
                source.skip(word - width)?;
            } else {
                source.skip(word)?;
            }
        }
        Some(Self { big_endian: source.big_endian, entries })
    }
}

struct Source<'a, S> {
    source: &'a mut S,
    big_endian: bool,
}

impl<S: Read> Source<'_, S> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn number(&mut self, width: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        self.source.read_exact(&mut bytes[..width]).ok()?;
        if self.big_endian {
            bytes[..width].reverse();
        }
        Some(u64::from_le_bytes(bytes))
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.source.read_exact(&mut [0; 8][..count]).ok()
    }
}

//! Parts of a Snappy stream, decompressed without what comes before.
//!
//! The format (<https://github.com/google/snappy/blob/main/format_description.txt>) lets a copy reach back as far as it
//! likes, but compressors begin anew every 64 kB. Where they did is found by going through the tags once.

use snap::raw::{Decoder, max_compress_len};

/// A part begins where the one before has this many bytes.
const PART: u32 = 1 << 16;

/// Where a stream can be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Decompressed and compressed place of each part, and of the end.
    starts: Vec<[u32; 2]>,
}

/// A range of the compressed bytes, and what it decompresses to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first compressed byte.
    pub start: u32,
    /// Behind the last one.
    pub end: u32,
    /// The place of its first byte in the decompressed whole.
    pub from: u32,
    /// How many bytes it decompresses to.
    pub length: u32,
}

impl Parts {
    /// Of a whole stream; none if it isn't one.
    pub fn of(stream: &[u8]) -> Option<Self> {
        let (length, mut at) = varint(stream)?;
        let (mut place, mut starts) = (0_u32, vec![[0, u32::try_from(at).ok()?]]);
        while at < stream.len() {
            if place - starts.last()?[0] >= PART {
                starts.push([place, u32::try_from(at).ok()?]);
            }
            let tag = stream[at];
            let upper = u32::from(tag >> 2);
            let number = |bytes: usize| -> Option<u32> {
                let bytes = stream.get(at + 1..at + 1 + bytes)?;
                Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)))
            };
            let (more, back) = match tag & 3 {
                0 => {
                    let extra = upper.saturating_sub(59) as usize;
                    let literal = if extra == 0 { upper + 1 } else { number(extra)?.checked_add(1)? };
                    at = at.checked_add(1 + extra)?.checked_add(literal as usize)?;
                    (literal, 0)
                }
                1 => {
                    let back = u32::from(tag >> 5) << 8 | number(1)?;
                    at += 2;
                    ((upper & 7) + 4, back)
                }
                2 => {
                    let back = number(2)?;
                    at += 3;
                    (upper + 1, back)
                }
                _ => {
                    let back = number(4)?;
                    at += 5;
                    (upper + 1, back)
                }
            };
            let source = place.checked_sub(back)?;
            // What reaches back over the start of a part makes it none.
            while back > 0 && starts.last().is_some_and(|start| start[0] > source) {
                starts.pop();
            }
            place = place.checked_add(more)?;
        }
        if at != stream.len() || place != length {
            return None;
        }
        starts.push([place, u32::try_from(at).ok()?]);
        starts.shrink_to_fit();
        Some(Self { starts })
    }

    /// The parts that have the decompressed bytes `from..from + length`.
    pub fn span(&self, from: u32, length: u32) -> Option<Span> {
        let end = from.checked_add(length)?;
        let first = self.starts.partition_point(|start| start[0] <= from).checked_sub(1)?;
        let last = first.max(1).max(self.starts.partition_point(|start| start[0] < end));
        let ([from, start], [to, end]) = (*self.starts.get(first)?, *self.starts.get(last)?);
        Some(Span { start, end, from, length: to - from })
    }

    /// Bytes that this takes in memory.
    pub fn bytes(&self) -> usize {
        self.starts.len() * size_of::<[u32; 2]>()
    }
}

impl Span {
    /// What the compressed bytes of the span are decompressed to; none if they aren't of such a stream.
    pub fn decompressed(&self, compressed: &[u8]) -> Option<Vec<u8>> {
        // Nothing that this long is made of fewer bytes, whatever it says.
        if self.length as usize > max_compress_len(compressed.len()).saturating_mul(64) {
            return None;
        }
        let mut stream = Vec::with_capacity(compressed.len() + 5);
        let mut length = self.length;
        while length >= 128 {
            stream.push(length as u8 | 128);
            length >>= 7;
        }
        stream.push(length as u8);
        stream.extend(compressed);
        Decoder::new().decompress_vec(&stream).ok()
    }
}

/// A number of seven bits a byte, the lowest first, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut number = 0_u64;
    for (i, &byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 127) << (7 * i);
        if byte < 128 {
            return Some((u32::try_from(number).ok()?, i + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that are partly noise, partly repeated.
    fn bytes(length: usize, repeat: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|i| if i % 1000 < repeat { (i % 7) as u8 } else { noise() }).collect()
    }

    /// Any range of what the reference implementation's port compresses is what it was.
    #[test]
    fn any_range_is_what_it_was() {
        for (length, repeat) in
            [(0, 0), (1, 0), (100, 50), (65_536, 0), (65_537, 900), (300_000, 0), (300_000, 1000)]
        {
            let whole = bytes(length, repeat);
            let stream = snap::raw::Encoder::new().compress_vec(&whole).expect("compressed");
            let parts = Parts::of(&stream).expect("a stream");
            for from in (0..length).step_by(9_973) {
                for wanted in [0, 1, 70_000, length] {
                    let wanted = wanted.min(length - from);
                    let span = parts.span(from as u32, wanted as u32).expect("within");
                    let part =
                        span.decompressed(&stream[span.start as usize..span.end as usize]).expect("a part");
                    let at = from - span.from as usize;
                    assert_eq!(part[at..at + wanted], whole[from..from + wanted], "{length} {from} {wanted}");
                    assert!(part.len() <= wanted + 3 * 65_536, "{} for {wanted}", part.len());
                }
            }
        }
    }

    /// A copy may reach over the start of a part, though no known compressor writes it.
    #[test]
    fn a_copy_over_a_start_joins_the_parts() {
        let mut stream = vec![0x85, 0x80, 0x08];
        for byte in [1_u8, 2] {
            stream.extend([61 << 2, 0xFF, 0xFF]);
            stream.extend(vec![byte; 65_536]);
        }
        // Five bytes from 131,072 before: the very first ones.
        stream.extend([4 << 2 | 3, 0, 0, 2, 0]);
        let parts = Parts::of(&stream).expect("a stream");
        assert_eq!(parts.starts.len(), 2);
        let span = parts.span(131_072, 5).expect("within");
        let whole = span.decompressed(&stream[span.start as usize..span.end as usize]).expect("whole");
        assert_eq!(whole[131_072..], [1; 5]);
    }

    #[test]
    fn damage_is_no_stream_or_no_panic() {
        let whole = bytes(70_000, 300);
        let stream = snap::raw::Encoder::new().compress_vec(&whole).expect("compressed");
        for length in (0..stream.len()).step_by(101) {
            assert_eq!(Parts::of(&stream[..length]), None);
        }
        for at in (0..stream.len()).step_by(31) {
            let mut stream = stream.clone();
            stream[at] ^= 0x55;
            let Some(parts) = Parts::of(&stream) else { continue };
            if let Some(span) = parts.span(60_000, 9_000) {
                let _ = span.decompressed(&stream[span.start as usize..span.end as usize]);
            }
        }
    }
}

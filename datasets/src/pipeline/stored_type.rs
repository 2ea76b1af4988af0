//! Which numbers an image file stores, as its header tells.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};

use palimpsest_core::data::Encoded;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::npy;
use crate::formats::image_format::ImageFormat;
use crate::pipeline::scaling::NumberKind;

/// A header of NumPy's format is shorter, unless it is damaged.
const HEADER: u64 = 1 << 16;

/// `8-bit`, `16-bit` or `32-bit float` numbers of a file; none of what isn't known. Fewer than 8 bits are read as 8.
pub(crate) fn stored_type(encoded: &Encoded) -> Option<String> {
    match encoded {
        Encoded::File(path) if !path.is_file() => None,
        Encoded::File(path) => of_source(BufReader::new(File::open(path).ok()?)),
        Encoded::Bytes(bytes) => of_source(Cursor::new(bytes)),
        Encoded::Piece { .. } => of_source(Cursor::new(encoded.clone().read().ok()?)),
    }
}

fn of_source(mut source: impl Read + Seek) -> Option<String> {
    let mut start = vec![];
    source.by_ref().take(32).read_to_end(&mut start).ok()?;
    let kind = match ImageFormat::of(&start)? {
        ImageFormat::Jpeg | ImageFormat::Webp => NumberKind::Unsigned(8),
        ImageFormat::Png => NumberKind::Unsigned(u32::from(*start.get(24)?).max(8)),
        ImageFormat::Npy => {
            source.by_ref().take(HEADER).read_to_end(&mut start).ok()?;
            return npy::stored(&start).map(|(kind, width)| told(kind, 8 * width as u32));
        }
        ImageFormat::Tiff => {
            source.rewind().ok()?;
            let mut decoder = Decoder::new(source).ok()?;
            let mut first = |tag| {
                let numbers: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(tag).ok().flatten();
                numbers.and_then(|numbers| numbers.first().copied())
            };
            let bits = u32::from(first(Tag::BitsPerSample).unwrap_or(1)).max(8);
            let kind = match first(Tag::SampleFormat) {
                Some(2) => NumberKind::Signed(bits),
                Some(3) => NumberKind::Float,
                _ => NumberKind::Unsigned(bits),
            };
            return Some(told(kind, bits));
        }
    };
    let NumberKind::Unsigned(bits) = kind else { return None };
    Some(told(kind, bits))
}

fn told(kind: NumberKind, bits: u32) -> String {
    match kind {
        NumberKind::Unsigned(_) => format!("{bits}-bit"),
        NumberKind::Signed(_) => format!("{bits}-bit signed"),
        NumberKind::Float => format!("{bits}-bit float"),
    }
}

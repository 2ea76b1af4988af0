//! How many pages TIFFs have: only one of them is read, and who made the files may mean all.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};

use palimpsest_core::data::{Dataset, Encoded};
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use crate::spec::DataSpec;

/// Files of each part that are looked at.
const LOOKED_AT: usize = 20;
/// Pages that are counted.
const MOST: usize = 10_000;

/// What is said of data with a TIFF of which the first page of several is read, though none was asked for.
pub(crate) fn page_note<'a, D: ?Sized + Dataset + 'a>(
    spec: &DataSpec,
    parts: impl IntoIterator<Item = &'a D>,
) -> Option<String> {
    if spec.page > 0 {
        return None;
    }
    parts.into_iter().find_map(|data| {
        let step = data.len().div_ceil(LOOKED_AT).max(1);
        (0..data.len()).step_by(step).find_map(|index| {
            let location = data.location(index);
            let ending = location.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            // What isn't called so isn't opened: of other shards it would be all bytes.
            if !matches!(ending.as_str(), "tif" | "tiff") {
                return None;
            }
            let Pages { count, grey } = pages_of(data.encoded(index)?)?;
            // These are the channels of one image.
            let stacked = grey && spec.channels > 1 && count == spec.channels;
            let stack = if grey { format!(", data.channels={count} takes grey ones as channels") } else { String::new() };
            (count > 1 && !stacked).then(|| {
                format!(
                    "TIFFs have several pages, of which the first is read, as of {location} with {count}: data.page=N \
                     reads another (from 0){stack}"
                )
            })
        })
    })
}

struct Pages {
    count: usize,
    /// Whether the first has one channel.
    grey: bool,
}

fn pages_of(encoded: Encoded) -> Option<Pages> {
    match encoded {
        Encoded::File(path) if !path.is_file() => None,
        Encoded::File(path) => pages(BufReader::new(File::open(path).ok()?)),
        other => pages(Cursor::new(other.read().ok()?)),
    }
}

/// Whether the decoder is at a page that stands for itself.
pub(super) fn is_own<R: Read + Seek>(decoder: &mut Decoder<R>) -> bool {
    let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType).ok().flatten();
    // Bits: the page is a smaller version of another, and a mask of another.
    kind.unwrap_or(0) & 0b101 == 0
}

/// None of what is no TIFF.
fn pages(source: impl Read + Seek) -> Option<Pages> {
    let mut decoder = Decoder::new(source).ok()?;
    let number = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned::<u32>(tag).ok().flatten();
    let grey = number(&mut decoder, Tag::SamplesPerPixel).unwrap_or(1) == 1;
    let mut count = 0;
    loop {
        count += usize::from(is_own(&mut decoder));
        if count >= MOST || !decoder.more_images() || decoder.next_image().is_err() {
            return Some(Pages { count, grey });
        }
    }
}

//! What an image file says of itself without being decoded: its size, and how the camera was held.
//!
//! The orientation is found where Pillow 13 finds it for `ImageOps.exif_transpose`: in the EXIF of a JPEG, PNG
//! (`eXIf`, also behind the pixels, or a text `Raw profile type exif`) or WebP; where the EXIF has none, in XMP.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::ZlibDecoder;

use crate::pipeline::tiff_directory::{Directory, tag};

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHeader {
    /// Width and height as stored.
    pub stored: (usize, usize),
    /// The EXIF orientation; 1 where there is none.
    pub orientation: u8,
}

/// Metadata longer than this are passed over.
const LONGEST: u64 = 16 << 20;

impl ImageHeader {
    /// Of a regular file; none of one that can't be read or is no image.
    pub fn of_file(path: &Path) -> Option<Self> {
        // A pipe would wait for a writer.
        std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Self::read(BufReader::new(File::open(path).ok()?))
    }

    /// Of a JPEG, PNG, WebP or TIFF (of its first page); none of anything else.
    pub fn read(mut source: impl BufRead + Seek) -> Option<Self> {
        let mut start = [0; 12];
        source.read_exact(&mut start).ok()?;
        let mut found = Found::default();
        // A truncated file says what it says up to there.
        let _ = match start {
            [0xFF, 0xD8, ..] => jpeg(&mut source, &mut found),
            [0x89, b'P', b'N', b'G', ..] => png(&mut source, &mut found),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => webp(&mut source, &mut found),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => return tiff(&mut source),
            _ => return None,
        };
        Some(Self { stored: found.size?, orientation: found.orientation() })
    }

    /// Whether turning it upright swaps its sides.
    pub fn is_sideways(&self) -> bool {
        (5..=8).contains(&self.orientation)
    }

    /// Whether turning it upright changes anything.
    pub fn is_turned(&self) -> bool {
        (2..=8).contains(&self.orientation)
    }

    /// Width and height when upright.
    pub fn upright(&self) -> (usize, usize) {
        let (width, height) = self.stored;
        if self.is_sideways() { (height, width) } else { (width, height) }
    }
}

/// The orientation that the bytes of an image file tell; 1 where they tell none.
pub fn orientation_of(bytes: &[u8]) -> u8 {
    ImageHeader::read(std::io::Cursor::new(bytes)).map_or(1, |header| header.orientation)
}

#[derive(Default)]
struct Found {
    size: Option<(usize, usize)>,
    exif: Option<Vec<u8>>,
    /// ImageMagick's text, which counts where there is no EXIF.
    raw_profile: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
}

impl Found {
    fn orientation(&self) -> u8 {
        let exif = self.exif.as_deref().or(self.raw_profile.as_deref());
        exif.and_then(exif_orientation).or_else(|| xmp_orientation(self.xmp.as_deref()?)).unwrap_or(1)
    }
}

/// The tag 0x0112 of the first directory; 1 for a value that means nothing, none where the tag is missing.
fn exif_orientation(mut data: &[u8]) -> Option<u8> {
    for _ in 0..2 {
        data = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
    }
    let big = match data.get(..4)? {
        [b'I', b'I', 42, 0] => false,
        [b'M', b'M', 0, 42] => true,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let two: [u8; 2] = data.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    };
    let long = |at: usize| -> Option<u32> {
        let four: [u8; 4] = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    let directory = long(4)? as usize;
    for entry in 0..usize::from(short(directory)?) {
        let at = directory + 2 + 12 * entry;
        if short(at)? != 0x0112 {
            continue;
        }
        let (kind, count) = (short(at + 2)?, long(at + 4)?);
        let width = match kind {
            3 | 8 => 2,
            4 | 9 => 4,
            _ => return Some(1),
        };
        // More than four bytes stand elsewhere.
        let value_at = if u64::from(count) * width > 4 { long(at + 8)? as usize } else { at + 8 };
        let value = if width == 2 { u32::from(short(value_at)?) } else { long(value_at)? };
        return Some(if value <= 8 { value as u8 } else { 1 });
    }
    None
}

/// `tiff:Orientation="N"` or `<tiff:Orientation>N`.
fn xmp_orientation(xmp: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"tiff:Orientation";
    xmp.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).find_map(|(at, _)| {
        let rest = &xmp[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        value.first().filter(|digit| digit.is_ascii_digit()).map(|digit| digit - b'0')
    })
}

fn bytes_of<const N: usize>(source: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn body(source: &mut impl Read, length: u64) -> std::io::Result<Vec<u8>> {
    // Grows with what is there: the length may lie.
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn tiff(source: &mut (impl Read + Seek)) -> Option<ImageHeader> {
    let directory = Directory::read(source, None)?;
    let side = |tag| usize::try_from(directory.get(tag)?.value).ok();
    let orientation = directory.get(tag::ORIENTATION).filter(|entry| entry.value <= 8);
    Some(ImageHeader {
        stored: (side(tag::WIDTH)?, side(tag::HEIGHT)?),
        orientation: orientation.map_or(1, |entry| entry.value as u8),
    })
}

/// Up to the first scan.
fn jpeg(source: &mut (impl BufRead + Seek), found: &mut Found) -> std::io::Result<()> {
    source.seek(SeekFrom::Start(2))?;
    loop {
        let mut byte = bytes_of::<1>(source)?[0];
        if byte != 0xFF {
            continue;
        }
        while byte == 0xFF {
            byte = bytes_of::<1>(source)?[0];
        }
        match byte {
            0xD9 | 0xDA => return Ok(()),
            0x00 | 0x01 | 0xD0..=0xD8 => continue,
            _ => {}
        }
        let length = u64::from(u16::from_be_bytes(bytes_of(source)?)).saturating_sub(2);
        match byte {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let frame = body(source, length)?;
                if let [_, h1, h0, w1, w0, ..] = frame[..] {
                    let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
                    found.size = Some((side(w1, w0), side(h1, h0)));
                }
            }
            0xE1 => {
                let segment = body(source, length)?;
                if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                    // EXIF that doesn't fit into one segment goes on in the next.
                    found.exif.get_or_insert_default().extend(exif);
                } else if let Some(xmp) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    found.xmp = Some(xmp.to_vec());
                }
            }
            _ => {
                source.seek_relative(length as i64)?;
            }
        }
    }
}

/// All chunks: metadata may follow the pixels.
fn png(source: &mut (impl BufRead + Seek), found: &mut Found) -> std::io::Result<()> {
    source.seek(SeekFrom::Start(8))?;
    let (mut animated, mut pixels) = (false, false);
    loop {
        let length = u64::from(u32::from_be_bytes(bytes_of(source)?));
        let kind = bytes_of::<4>(source)?;
        match &kind {
            b"IEND" => return Ok(()),
            // What follows belongs to the next frame.
            b"fcTL" if animated && pixels => return Ok(()),
            b"IHDR" | b"acTL" | b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" if length <= LONGEST => {
                let data = body(source, length)?;
                match &kind {
                    b"IHDR" => {
                        let side = |at: usize| {
                            let four = data.get(at..at + 4)?.try_into().ok()?;
                            Some(u32::from_be_bytes(four) as usize)
                        };
                        found.size = side(0).zip(side(4));
                    }
                    b"acTL" => animated = data.get(..4).is_some_and(|frames| frames > &[0, 0, 0, 1][..]),
                    b"eXIf" => found.exif = Some(data),
                    _ => text(&kind, &data, found),
                }
            }
            _ => {
                pixels |= &kind == b"IDAT";
                source.seek_relative(length as i64)?;
            }
        }
        source.seek_relative(4)?;
    }
}

/// A text of a PNG, if it is one of those with metadata.
fn text(kind: &[u8; 4], data: &[u8], found: &mut Found) {
    let split = |data: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let at = data.iter().position(|&byte| byte == 0)?;
        Some((data[..at].to_vec(), data[at + 1..].to_vec()))
    };
    let inflated = |data: &[u8]| {
        let mut out = Vec::new();
        ZlibDecoder::new(data).take(LONGEST).read_to_end(&mut out).ok().map(|_| out)
    };
    let Some((keyword, rest)) = split(data) else { return };
    let value = match kind {
        b"tEXt" => Some(rest),
        b"zTXt" if rest.first() == Some(&0) => inflated(&rest[1..]),
        b"iTXt" if rest.len() >= 2 => {
            // Compressed or not, language, translated keyword, text.
            let value = split(&rest[2..]).and_then(|(_, rest)| split(&rest)).map(|(_, value)| value);
            if rest[0] == 0 { value } else { value.and_then(|value| inflated(&value)) }
        }
        _ => None,
    };
    match (&keyword[..], value) {
        (b"Raw profile type exif", Some(value)) => found.raw_profile = unhex(&value),
        (b"XML:com.adobe.xmp", Some(value)) => found.xmp = Some(value),
        _ => {}
    }
}

/// The bytes of ImageMagick's text: a line feed, the name, the length, then hexadecimal digits.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .split(|&byte| byte == b'\n')
        .skip(3)
        .flatten()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|&byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn webp(source: &mut (impl BufRead + Seek), found: &mut Found) -> std::io::Result<()> {
    source.seek(SeekFrom::Start(12))?;
    loop {
        let kind = bytes_of::<4>(source)?;
        let length = u64::from(u32::from_le_bytes(bytes_of(source)?));
        let padded = length + length % 2;
        let (data, left) = match &kind {
            b"EXIF" | b"XMP " if length <= LONGEST => (body(source, length)?, padded - length),
            b"VP8X" | b"VP8 " | b"VP8L" => {
                let start = body(source, length.min(10))?;
                let rest = padded - start.len() as u64;
                (start, rest)
            }
            _ => (vec![], padded),
        };
        let byte = |at: usize| data.get(at).map(|&byte| usize::from(byte));
        let size = match &kind {
            b"VP8X" => {
                let side = |at: usize| Some(1 + (byte(at)? | byte(at + 1)? << 8 | byte(at + 2)? << 16));
                side(4).zip(side(7))
            }
            b"VP8 " => {
                let side = |at: usize| Some((byte(at)? | byte(at + 1)? << 8) & 0x3FFF);
                side(6).zip(side(8))
            }
            b"VP8L" => (1..5).try_fold(0, |bits, at| Some(bits | byte(at)? << (8 * (at - 1)))).map(|bits| {
                let bits: usize = bits;
                (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
            }),
            b"EXIF" => {
                found.exif = Some(data);
                None
            }
            b"XMP " => {
                found.xmp = Some(data);
                None
            }
            _ => None,
        };
        // The canvas comes before the frame, and counts.
        found.size = found.size.or(size);
        source.seek_relative(left as i64)?;
    }
}

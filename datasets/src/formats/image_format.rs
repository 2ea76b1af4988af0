//! Formats of image files, told by how they begin.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use palimpsest_core::data::Encoded;
use serde::Serialize;

/// A format of image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// TIFF, BigTIFF too.
    Tiff,
    /// An array of NumPy.
    Npy,
}

/// Bytes that tell a format.
const ENOUGH: u64 = 12;

impl ImageFormat {
    /// What bytes that begin so are; none of those that aren't known.
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0xFF, 0xD8, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Self::Npy),
            _ => None,
        }
    }

    /// Of an image file; none where it is none of these, or can't be read.
    pub fn of_encoded(encoded: &Encoded) -> Option<Self> {
        let beginning = |path, offset| {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut start = vec![];
            file.take(ENOUGH).read_to_end(&mut start)?;
            Ok::<_, std::io::Error>(start)
        };
        match encoded {
            Encoded::Bytes(bytes) => Self::of(bytes),
            // A pipe would wait for a writer.
            Encoded::File(path) if !path.is_file() => None,
            Encoded::File(path) => Self::of(&beginning(path, 0).ok()?),
            Encoded::Piece { file, offset, .. } => Self::of(&beginning(file, *offset).ok()?),
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Tiff => "TIFF",
            Self::Npy => "NumPy",
        }
    }

    /// The usual ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Tiff => "tif",
            Self::Npy => "npy",
        }
    }
}

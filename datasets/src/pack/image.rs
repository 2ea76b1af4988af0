//! The image file that is packed of a sample.

use std::panic::{AssertUnwindSafe, catch_unwind};

use palimpsest_core::data::{Dataset, Encoded, Image, Samples};
use palimpsest_core::{Error, Result};
use png::{BitDepth, ColorType, Compression, Encoder};

use super::Resize;
use super::resize::{resized, shrunk};
use crate::image_format::ImageFormat;

/// An image file.
pub(super) struct PackedImage {
    pub(super) format: ImageFormat,
    pub(super) bytes: Vec<u8>,
    /// Whether it was written anew.
    pub(super) encoded: bool,
}

/// Why a sample isn't packed.
#[derive(Debug, Clone)]
pub(super) enum NotPacked {
    /// It can't be read: it is left out.
    Broken(Error),
    /// It is sound, and of a format that isn't resized: to leave it out would lose it.
    NotResized(Error),
}

impl NotPacked {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Broken(error) | Self::NotResized(error) => error,
        }
    }

    fn at(self, location: impl std::fmt::Display) -> Self {
        match self {
            Self::Broken(error) => Self::Broken(error.at(location)),
            Self::NotResized(error) => Self::NotResized(error.at(location)),
        }
    }
}

impl From<Error> for NotPacked {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// The file of a sample as it is, or with its shorter side shrunk to `resize`; of data without files, the pixels as a
/// PNG.
///
/// # Errors
/// An image that can't be read, or isn't resized: the error names it.
pub(super) fn packed_image(
    data: &dyn Dataset,
    index: usize,
    encoded: Option<Encoded>,
    resize: Option<Resize>,
) -> Result<PackedImage, NotPacked> {
    let Some(encoded) = encoded else {
        let image = data.load(index)?;
        let image = match resize {
            Some(resize) => shrunk(image, resize.side)?,
            None => image,
        };
        let bytes = png_of(&image).map_err(|e| e.at(data.location(index)))?;
        return Ok(PackedImage { format: ImageFormat::Png, bytes, encoded: true });
    };
    let bytes = encoded.read()?;
    let format = ImageFormat::of(&bytes).ok_or_else(|| {
        let what = if bytes.is_empty() { "the file is empty" } else { "not an image of a known format" };
        Error::user(what).help("copy it again, or remove it").at(data.location(index))
    })?;
    if let Some(resize) = resize {
        // The decoders are other people's and the bytes are anybody's: a panic is one broken file.
        let result = catch_unwind(AssertUnwindSafe(|| resized(&bytes, format, resize)));
        let result = result.unwrap_or_else(|_| Err(Error::user("broken image: its decoder panicked").into()));
        if let Some((format, bytes)) = result.map_err(|e| e.at(data.location(index)))? {
            return Ok(PackedImage { format, bytes, encoded: true });
        }
    }
    Ok(PackedImage { format, bytes, encoded: false })
}

/// A PNG of 8 or 16 bits, grey or RGB.
///
/// # Errors
/// Other channels, or floats.
pub(super) fn png_of(image: &Image) -> Result<Vec<u8>> {
    let colour = match image.channels {
        1 => ColorType::Grayscale,
        3 => ColorType::Rgb,
        other => return Err(not_png(&format!("{other} channels"))),
    };
    let wide: Vec<u8>;
    let (depth, samples) = match &image.pixels {
        Samples::U8(samples) => (BitDepth::Eight, samples),
        Samples::U16(samples) => {
            wide = samples.iter().flat_map(|sample| sample.to_be_bytes()).collect();
            (BitDepth::Sixteen, &wide)
        }
        Samples::F32(_) => return Err(not_png("float samples")),
    };
    let mut bytes = vec![];
    let mut encoder = Encoder::new(&mut bytes, image.width as u32, image.height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Balanced);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(samples));
    written.map_err(|e| Error::failure(format!("can't write a PNG: {e}")))?;
    Ok(bytes)
}

fn not_png(what: &str) -> Error {
    Error::user(format!("an image of {what} can't be a PNG"))
        .help("pack data whose images are files, or leave out data.range and data.percentiles")
}

//! Decoding JPEG, PNG and WebP to 8-bit grey or RGB.
//!
//! The format is told by the content, never by the file's name. Alpha is composited on white.
//! 16-bit samples are rounded to 8 bits, palettes are looked up, CMYK and YCCK JPEGs become RGB, the
//! EXIF orientation is applied unless it is to be ignored, and of an animation the first frame is taken. Colour profiles are
//! not applied. Grey from a colour JPEG is its Y plane, from anything else its Rec. 601 luma.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use palimpsest_core::data::Image;
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::colour::with_channels;
use crate::image_header::{ImageHeader, orientation_of};
use crate::orientation::upright;
use crate::pipeline::{png, webp};

/// What is done about the orientation that an image's metadata tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// Images are turned upright, as `ImageOps.exif_transpose` of Pillow does.
    #[default]
    Apply,
    /// Pixels are taken as they are stored.
    Ignore,
}

/// What to decode to, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeOptions {
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Images with more pixels than this are refused before any memory is taken for them.
    pub max_pixels: u64,
    /// Whether images are turned upright.
    pub exif: Exif,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { channels: 3, max_pixels: 100_000_000, exif: Exif::Apply }
    }
}

impl DecodeOptions {
    /// The same, with the orientation applied or ignored.
    #[must_use]
    pub fn with_exif(self, exif: Exif) -> Self {
        Self { exif, ..self }
    }

    /// Width and height that an image of this header will be decoded to.
    pub fn size_of(&self, header: ImageHeader) -> Option<(usize, usize)> {
        let (width, height) = if self.exif == Exif::Apply { header.upright() } else { header.stored };
        (width > 0 && height > 0).then_some((width, height))
    }
}

/// The endings of the image files that can be decoded, in lower case.
pub const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp"];

/// Whether a file's name ends like an image's.
pub fn is_image(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}

/// Reads and decodes a file.
///
/// # Errors
/// A file that is missing, empty, truncated, too large or not an image; the error names it.
pub fn decode_file(path: &Path, options: DecodeOptions) -> Result<Image> {
    let read = || -> std::io::Result<Result<Vec<u8>>> {
        // Before it is opened: a pipe would wait for a writer.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(Err(Error::user("not a regular file").help("remove it from the images")));
        }
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        // No sound image takes more than this: 16-bit RGBA with no compression, and metadata.
        let most = options.max_pixels.saturating_mul(8).saturating_add(64 << 20);
        if size > most {
            return Ok(Err(Error::user(format!("{size} bytes are too many for an image"))
                .help("remove the file, or raise `max_pixels`")));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Ok(bytes))
    };
    let bytes = read().map_err(|e| Error::io(path, &e))?;
    bytes.and_then(|bytes| decode(&bytes, options)).map_err(|e| e.at(path.display()))
}

/// Decodes an image from memory. The result has [height, width, channels] samples.
///
/// # Errors
/// Bytes that are empty, truncated, too large an image or none at all.
pub fn decode(bytes: &[u8], options: DecodeOptions) -> Result<Image> {
    if options.channels != 1 && options.channels != 3 {
        return Err(Error::user(format!("can't decode to {} channels", options.channels))
            .help("use `channels = 1` (grey) or `channels = 3` (RGB)"));
    }
    if bytes.is_empty() {
        return Err(Error::user("the file is empty").help("copy it again, or remove it"));
    }
    // The decoders are other people's and the bytes are anybody's: a panic is one broken file.
    catch_unwind(AssertUnwindSafe(|| {
        let image = if bytes.starts_with(&[0xFF, 0xD8]) {
            decode_jpeg(bytes, options)
        } else {
            decode_lossless(bytes, options)
        }?;
        Ok(match options.exif {
            Exif::Apply => upright(image, orientation_of(bytes)),
            Exif::Ignore => image,
        })
    }))
    .unwrap_or_else(|_| Err(broken("its decoder panicked")))
}

pub(super) fn broken(why: impl std::fmt::Display) -> Error {
    // Decoders' messages may have several lines.
    let why = why.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::user(format!("broken image: {why}")).help("copy it again, or remove it")
}

pub(super) fn check_size(width: usize, height: usize, options: DecodeOptions) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(broken(format_args!("its header says {width}x{height} pixels")));
    }
    if width as u64 * height as u64 > options.max_pixels {
        return Err(Error::user(format!(
            "its header says {width}x{height} pixels, more than the limit of {}",
            options.max_pixels
        ))
        .help("shrink or remove the image, or raise `max_pixels`"));
    }
    Ok(())
}

fn decode_jpeg(bytes: &[u8], options: DecodeOptions) -> Result<Image> {
    // Not strict: like libjpeg, forgive what does not lose pixels; lost pixels are told below.
    let settings =
        DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), settings);
    let complete = jpeg_is_complete(bytes);
    let truncated = || broken("its end is missing (a truncated JPEG)");
    decoder
        .decode_headers()
        .map_err(|e| if complete { broken(format_args!("{e:?}")) } else { truncated() })?;
    let (width, height) = decoder.dimensions().ok_or_else(|| broken("no size in its header"))?;
    check_size(width, height, options)?;
    if !complete {
        return Err(truncated());
    }
    // The Y plane is the luma: no need to make RGB first. CMYK has no such plane.
    let luma = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => true,
        Some(ColorSpace::YCbCr) => options.channels == 1,
        _ => false,
    };
    let (channels, out) = if luma { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    decoder.set_options(settings.jpeg_set_out_colorspace(out));
    let pixels = decoder.decode().map_err(|e| broken(format_args!("{e:?}")))?;
    if pixels.len() != width * height * channels {
        return Err(broken(format_args!(
            "{} samples were decoded where {width}x{height}x{channels} were expected",
            pixels.len()
        )));
    }
    with_channels(Image { width, height, channels, pixels }, options.channels)
}

/// Whether an end-of-image marker follows the first scan. The decoder fills a truncated image up
/// with grey and says nothing; inside a scan no data can look like this marker.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    while at + 4 <= bytes.len() {
        if bytes[at] != 0xFF {
            at += 1;
            continue;
        }
        match bytes[at + 1] {
            0xDA => break,
            // Fill bytes and markers without a body.
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 | 0x00 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])),
        }
    }
    // From the end: a sound file ends with the marker, or nearly so.
    bytes.get(at..).is_some_and(|scan| scan.windows(2).rev().any(|pair| pair == [0xFF, 0xD9]))
}

fn decode_lossless(bytes: &[u8], options: DecodeOptions) -> Result<Image> {
    let stored = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png::read(bytes, options)?
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        webp::read(bytes, options)?
    } else {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]).escape_debug().to_string();
        return Err(Error::user(format!("not a JPEG, PNG or WebP image (it begins with `{start}`)"))
            .help("convert or remove it"));
    };
    let (width, height) = (stored.width, stored.height);
    Ok(Image { width, height, channels: options.channels, pixels: stored.flatten(options.channels) })
}

//! Decoding JPEG, PNG and WebP to 8-bit grey or RGB, and TIFF and NumPy's arrays to the channels and samples that they
//! have.
//!
//! The format is told by the content, never by the file's name. Alpha is composited on white, unless as many channels are
//! asked for as there are with it. 16-bit samples of a PNG are rounded to 8 bits where no range is given; palettes are looked up, CMYK and YCCK JPEGs become RGB, the
//! EXIF orientation is applied unless it is to be ignored, and of an animation the first frame is taken. Colour profiles are
//! not applied. Grey from a colour JPEG is its Y plane, from anything else its Rec. 601 luma.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use palimpsest_core::data::{Image, Image8};
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::colour::with_channels;
use crate::formats::image_format::ImageFormat;
use crate::image_header::{ImageHeader, orientation_of};
use crate::orientation::upright;
use crate::pipeline::alpha::{Alpha, on_white};
use crate::pipeline::scaling::{NumberKind, Numbers, Scaling};
use crate::pipeline::{npy, png, tiff, webp};
use crate::transform::MOST_CHANNELS;

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeOptions {
    /// 1 (grey), 3 (RGB), or as many as the file has.
    pub channels: usize,
    /// Images with more pixels than this are refused before any memory is taken for them.
    pub max_pixels: u64,
    /// Whether images are turned upright.
    pub exif: Exif,
    /// The page of a TIFF, from 0.
    pub page: usize,
    /// How the numbers of a file become samples.
    pub scaling: Scaling,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        let scaling = Scaling::default();
        Self { channels: 3, max_pixels: 100_000_000, exif: Exif::Apply, page: 0, scaling }
    }
}

impl DecodeOptions {
    /// The same, with the orientation applied or ignored.
    #[must_use]
    pub fn with_exif(self, exif: Exif) -> Self {
        Self { exif, ..self }
    }

    /// The most memory that a decoded image may take: that of 16-bit RGBA.
    pub(super) fn most_bytes(&self) -> u64 {
        self.max_pixels.saturating_mul(8)
    }

    /// Width and height that an image of this header will be decoded to.
    pub fn size_of(&self, header: ImageHeader) -> Option<(usize, usize)> {
        let (width, height) = if self.exif == Exif::Apply { header.upright() } else { header.stored };
        (width > 0 && height > 0).then_some((width, height))
    }
}

/// The endings of the image files that can be decoded, in lower case.
pub const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "npy"];

/// Whether a file's name ends like an image's.
pub fn is_image(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}

/// The kind of image that a file's name tells, of those that aren't read.
pub fn unread_kind(path: &Path) -> Option<&'static str> {
    const KINDS: [(&str, &str); 9] = [
        ("bmp", "BMP"),
        ("gif", "GIF"),
        ("avif", "AVIF"),
        ("heic", "HEIC"),
        ("heif", "HEIC"),
        ("jxl", "JPEG XL"),
        ("jp2", "JPEG 2000"),
        ("npz", "NPZ"),
        ("exr", "OpenEXR"),
    ];
    let ending = path.extension()?.to_str()?;
    KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, kind)| *kind)
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
        let most = options.most_bytes().saturating_add(64 << 20);
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
    if !(1..=MOST_CHANNELS).contains(&options.channels) {
        return Err(Error::user(format!("can't decode to {} channels", options.channels)).help(
            "use `channels = 1` (grey), `channels = 3` (RGB), or as many as the files have, at most 64",
        ));
    }
    if bytes.is_empty() {
        return Err(Error::user("the file is empty").help("copy it again, or remove it"));
    }
    // The decoders are other people's and the bytes are anybody's: a panic is one broken file.
    catch_unwind(AssertUnwindSafe(|| {
        let (image, orientation) = match ImageFormat::of(bytes).ok_or_else(|| not_read(bytes))? {
            ImageFormat::Tiff => tiff::read(bytes, options)?,
            ImageFormat::Npy => (npy::read(bytes, options)?, 1),
            ImageFormat::Png => (png::read(bytes, options)?.image(options)?, orientation_of(bytes)),
            ImageFormat::Jpeg => (of_8_bits(decode_jpeg(bytes, options)?, options)?, orientation_of(bytes)),
            ImageFormat::Webp => {
                let stored = webp::read(bytes, options)?;
                (stored.image(options)?, orientation_of(bytes))
            }
        };
        let image = with_channels(image, options.channels)?;
        Ok(match options.exif {
            Exif::Apply => upright(image, orientation),
            Exif::Ignore => image,
        })
    }))
    .unwrap_or_else(|_| Err(broken("its decoder panicked")))
}

fn of_8_bits(image: Image8, options: DecodeOptions) -> Result<Image> {
    options.scaling.rescaled(image.into())
}

/// The numbers of a file, the last channel of which may be an opacity, as an image that has the channels that are asked
/// for, or is grey or RGB where RGB or grey is.
pub(super) fn interpreted(
    image: Image<Numbers>,
    kind: NumberKind,
    alpha: Option<Alpha>,
    options: DecodeOptions,
) -> Result<Image> {
    let image = match alpha {
        // Who asks for as many takes it as another channel.
        Some(alpha) if image.channels != options.channels => on_white(image, kind, alpha)?,
        _ => image,
    };
    if image.channels != options.channels && !matches!((image.channels, options.channels), (1, 3) | (3, 1)) {
        return Err(mismatch(image.channels, options.channels));
    }
    options.scaling.image(image, kind)
}

/// A file of other channels than asked for.
pub(super) fn mismatch(have: usize, wanted: usize) -> Error {
    let counted = if have == 1 { "1 channel".to_owned() } else { format!("{have} channels") };
    let help = if wanted == 1 || wanted == 3 {
        format!("set data.channels={have}, or convert the file to grey or RGB")
    } else {
        format!("set data.channels={have}, or keep files of {wanted} channels alone")
    };
    Error::user(format!("the image has {counted}, and {wanted} are asked for")).help(help)
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

fn decode_jpeg(bytes: &[u8], options: DecodeOptions) -> Result<Image8> {
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
    let wanted = match options.channels {
        1 => 1,
        3 => 3,
        other => return Err(mismatch(decoder.input_colorspace().map_or(3, |c| c.num_components()), other)),
    };
    // The Y plane is the luma: no need to make RGB first. CMYK has no such plane.
    let luma = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => true,
        Some(ColorSpace::YCbCr) => wanted == 1,
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
    Ok(Image { width, height, channels, pixels })
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

/// What is told of bytes of no format that is read.
fn not_read(bytes: &[u8]) -> Error {
    let boxed = (bytes.get(4..8) == Some(b"ftyp")).then(|| bytes.get(8..12)).flatten();
    let other = match bytes {
        [b'B', b'M', ..] if bytes.len() > 26 => "a BMP image",
        [0xFF, 0x0A, ..] => "a JPEG XL image",
        _ if bytes.starts_with(b"\0\0\0\x0CJXL ") => "a JPEG XL image",
        _ if bytes.starts_with(b"\0\0\0\x0CjP  ") => "a JPEG 2000 image",
        _ => match boxed {
            Some(b"avif" | b"avis") => "an AVIF image",
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => {
                "a HEIC image"
            }
            _ => {
                let start = &bytes[..bytes.len().min(12)];
                let start = String::from_utf8_lossy(start).escape_debug().to_string();
                return Error::user(format!(
                    "not a JPEG, PNG or WebP image, nor a TIFF or NumPy array (it begins with `{start}`)"
                ))
                .help("convert or remove it");
            }
        },
    };
    Error::user(format!("{other}, which isn't read"))
        .help("convert it to PNG, or to JPEG where nothing is lost by it")
}

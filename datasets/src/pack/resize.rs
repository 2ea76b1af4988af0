//! Images shrunk before they are packed.

use std::io::Cursor;

use image_webp::WebPDecoder;
use jpeg_encoder::{ColorType, Encoder};
use palimpsest_core::data::{Image, Samples};
use palimpsest_core::{Error, Result};

use super::Resize;
use super::image::{NotPacked, png_of};
use crate::augment::{Border, Filter, PixelBox};
use crate::decode::{DecodeOptions, decode};
use crate::image_format::ImageFormat;
use crate::image_header::ImageHeader;
use crate::pipeline::planes::{Cut, cut_planes};
use crate::pipeline::sample_type::SampleType;
use crate::scaling::{Scale, Scaling};
use crate::transform::Scratch;

/// Quality of the JPEGs that are written; colours aren't subsampled.
const QUALITY: u8 = 95;

/// The image with its shorter side shrunk, turned upright; none where it has no more pixels. A JPEG stays
/// one, and so does a WebP that lost some already; others become PNG. Grey stays grey and 16 bits stay 16 bits; what is
/// transparent becomes white, and metadata are left out.
///
/// # Errors
/// A broken image, or one of a format that isn't resized.
pub(super) fn resized(
    bytes: &[u8],
    format: ImageFormat,
    to: Resize,
) -> Result<Option<(ImageFormat, Vec<u8>)>, NotPacked> {
    if matches!(format, ImageFormat::Tiff | ImageFormat::Npy) {
        let error = Error::user(format!("a {} image isn't resized", format.name()));
        return Err(NotPacked::NotResized(error.help("pack without --resize, or convert it to PNG")));
    }
    let header = ImageHeader::read(Cursor::new(bytes)).ok_or_else(|| {
        Error::user("broken image: no size in its header").help("copy it again, or remove it")
    })?;
    if header.stored.0.min(header.stored.1) <= to.side {
        return Ok(None);
    }
    let stored = Stored::of(bytes, format);
    let scale = if stored.wide { Scale::Range(0.0, 65_535.0) } else { Scale::TypeRange };
    let scaling = Scaling { scale, nan: None };
    let (channels, max_pixels) = (stored.channels, to.max_pixels);
    let options = DecodeOptions { channels, max_pixels, scaling, ..DecodeOptions::default() };
    let image = shrunk(decode(bytes, options)?, to.side)?;
    if let (true, Samples::U8(pixels)) = (stored.lossy, &image.pixels) {
        return Ok(Some((ImageFormat::Jpeg, jpeg_of(&image.with_pixels(pixels.as_slice()))?)));
    }
    // 16 bits go through floats, which hold them exactly.
    let image = match &image.pixels {
        Samples::F32(pixels) => {
            let wide = |value: &f32| (f64::from(value.clamp(0.0, 1.0)) * 65_535.0).round() as u16;
            image.with_pixels(pixels.iter().map(wide).collect::<Vec<_>>().into())
        }
        _ => image,
    };
    Ok(Some((ImageFormat::Png, png_of(&image)?)))
}

/// What a file has that has to be kept.
struct Stored {
    channels: usize,
    wide: bool,
    lossy: bool,
}

impl Stored {
    fn of(bytes: &[u8], format: ImageFormat) -> Self {
        match format {
            ImageFormat::Png => {
                let [depth, colour] = [24, 25].map(|at| bytes.get(at).copied().unwrap_or_default());
                Self {
                    channels: if matches!(colour, 0 | 4) { 1 } else { 3 },
                    wide: depth == 16,
                    lossy: false,
                }
            }
            ImageFormat::Webp => {
                let lossy = WebPDecoder::new(Cursor::new(bytes))
                    .is_ok_and(|mut webp| webp.is_lossy() && !webp.has_alpha());
                Self { channels: 3, wide: false, lossy }
            }
            _ => Self {
                channels: if jpeg_components(bytes) == Some(1) { 1 } else { 3 },
                wide: false,
                lossy: true,
            },
        }
    }
}

/// The number of components that the frame header of a JPEG tells.
fn jpeg_components(bytes: &[u8]) -> Option<u8> {
    let mut at = 2;
    loop {
        match (*bytes.get(at)?, *bytes.get(at + 1)?) {
            (0xFF, 0xFF) => at += 1,
            // SOF0 to SOF15, but for the tables of Huffman and arithmetic codes, and an extension.
            (0xFF, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF) => {
                return bytes.get(at + 9).copied();
            }
            (0xFF, 0x01 | 0xD0..=0xD8) => at += 2,
            (0xFF, _) => {
                at += 2 + usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]))
            }
            _ => at += 1,
        }
    }
}

/// The image with its shorter side shrunk to `side`, by the bicubic filter of Pillow, widened by the scale; the longer
/// one is cut to whole pixels, as torchvision's `Resize` has it. One that isn't larger stays as it is.
pub(super) fn shrunk(image: Image, side: usize) -> Result<Image> {
    let (width, height) = (image.width, image.height);
    if width.min(height) <= side {
        return Ok(image);
    }
    let longer = side * width.max(height) / width.min(height);
    let to = if width <= height { (side, longer) } else { (longer, side) };
    Ok(match &image.pixels {
        Samples::U8(pixels) => planes(&image.with_pixels(pixels.as_slice()), to)?.into(),
        Samples::U16(pixels) => planes(&image.with_pixels(pixels.as_slice()), to)?.into(),
        Samples::F32(pixels) => planes(&image.with_pixels(pixels.as_slice()), to)?.into(),
    })
}

fn planes<T: SampleType>(image: &Image<&[T]>, to: (usize, usize)) -> Result<Image<Vec<T>>> {
    let (width, height) = to;
    let cut = Cut {
        source: PixelBox { left: 0, top: 0, width: image.width, height: image.height },
        resized: to,
        window: (0, 0),
        size: to,
        border: Border::Black,
        flip: false,
        filter: Filter::Bicubic,
    };
    let channels = image.channels;
    let mut pixels = vec![T::default(); width * height * channels];
    cut_planes(image, cut, &mut Scratch::default(), |channel, place, sample| {
        pixels[place * channels + channel] = sample.unwrap_or_default();
    })?;
    Ok(Image { width, height, channels, pixels })
}

fn jpeg_of(image: &Image<&[u8]>) -> Result<Vec<u8>> {
    let sides = [image.width, image.height].map(u16::try_from);
    let [Ok(width), Ok(height)] = sides else {
        return Err(Error::user(format!("{}x{} pixels are too many for a JPEG", image.width, image.height))
            .help("pack without --resize"));
    };
    let colour = if image.channels == 1 { ColorType::Luma } else { ColorType::Rgb };
    let mut bytes = vec![];
    let encoder = Encoder::new(&mut bytes, QUALITY);
    let written = encoder.encode(image.pixels, width, height, colour);
    written.map_err(|e| Error::failure(format!("can't write a JPEG: {e}")))?;
    Ok(bytes)
}

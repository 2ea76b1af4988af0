//! Reads a page of a TIFF: integers of 1 to 64 bits and floats of 16 to 64, grey, RGB, palettes and any number of
//! channels; strips or tiles, channels together or apart, plain, LZW, Deflate or PackBits with either predictor;
//! BigTIFF and both byte orders.
//!
//! The decoder is the `tiff` crate's. It drops channels beyond a photometric interpretation's own, and knows no palette;
//! so each page is decoded as so many channels of numbers, and what they stand for is told here.

use std::io::Cursor;

use palimpsest_core::data::Image;
use palimpsest_core::{Error, Result};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{CompressionMethod, Tag};
use tiff::{TiffError, TiffFormatError, TiffResult};

use crate::decode::{DecodeOptions, broken, check_size, interpreted, mismatch};
use crate::pipeline::alpha::Alpha;
use crate::pipeline::scaling::{NumberKind, Numbers, Scale};
use crate::pipeline::tiff_directory::{Directory, tag};
use crate::pipeline::tiff_pages;
use crate::pipeline::tiff_tiles::Tiles;

/// What the samples of a page stand for: the values of `PhotometricInterpretation` that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
}

/// `PhotometricInterpretation` of channels that are numbers to the decoder.
const BLACK_IS_ZERO: u64 = 1;

/// The image of the page that the options ask for, and its orientation. As many pages of one grey channel as channels are
/// asked for are its channels, as microscopes write them.
pub(super) fn read(bytes: &[u8], options: DecodeOptions) -> Result<(Image, u8)> {
    let mut file = Pages { bytes, plain: bytes.to_vec(), options };
    let mut page = file.read(options.page)?;
    let wanted = options.channels;
    if options.page == 0
        && wanted > 1
        && page.image.channels == 1
        && let Some(pages) = file.own_pages(wanted)?.filter(|pages| pages[0] == 0)
    {
        let others = pages[1..].iter().map(|&other| file.read(other)).collect::<Result<Vec<_>>>()?;
        page = stacked(page, others)?;
    }
    let Page { image, kind, alpha, orientation } = page;
    Ok((interpreted(image, kind, alpha, options)?, orientation))
}

/// What a page holds.
struct Page {
    image: Image<Numbers>,
    kind: NumberKind,
    /// How the last channel is an opacity, if it is.
    alpha: Option<Alpha>,
    orientation: u8,
}

struct Pages<'a> {
    bytes: &'a [u8],
    /// The same, in which the pages that were read are called "black is zero": channels of numbers to the decoder.
    plain: Vec<u8>,
    options: DecodeOptions,
}

impl Pages<'_> {
    /// The numbers of the pages, if there are so many: without smaller versions and masks of another.
    fn own_pages(&self, count: usize) -> Result<Option<Vec<usize>>> {
        let mut decoder = decoder(self.bytes, 0, self.options)?;
        let mut own = Vec::with_capacity(count);
        for number in 0.. {
            if tiff_pages::is_own(&mut decoder) {
                own.push(number);
            }
            if own.len() > count || !decoder.more_images() {
                break;
            }
            decoder.next_image().map_err(|e| told(&e))?;
        }
        Ok((own.len() == count).then_some(own))
    }

    fn read(&mut self, number: usize) -> Result<Page> {
        let options = self.options;
        let mut header = decoder(self.bytes, number, options)?;
        check_compression(&mut header)?;
        let directory = header
            .ifd_pointer()
            .and_then(|at| Directory::read(&mut Cursor::new(self.bytes), Some(at.0)))
            .ok_or_else(|| broken("its directory can't be read"))?;
        let photometric =
            directory.get(tag::PHOTOMETRIC).ok_or_else(|| broken("it doesn't tell its colours"))?;
        let colours = match photometric.value {
            0 => Photometric::WhiteIsZero,
            1 => Photometric::BlackIsZero,
            2 => Photometric::Rgb,
            3 => Photometric::Palette,
            other => return Err(unread_colours(other)),
        };
        let orientation = directory.get(tag::ORIENTATION).map_or(1, |entry| entry.value.min(255) as u8);
        let (width, height) = header.dimensions().map_err(|e| told(&e))?;
        let (width, height) = (width as usize, height as usize);
        check_size(width, height, options)?;

        let extra = tags(&mut header, Tag::ExtraSamples)?;
        let bits = tags(&mut header, Tag::BitsPerSample)?.first().copied().unwrap_or(1);
        let channels = usize::from(tags(&mut header, Tag::SamplesPerPixel)?.first().copied().unwrap_or(1));
        // Before any memory is taken: alpha may come on top of the channels.
        if channels > options.channels.max(3) + 1 {
            return Err(mismatch(channels, options.channels));
        }
        check_bits(bits, channels)?;
        let size = width as u64 * height as u64 * channels as u64 * u64::from(bits).div_ceil(8);
        if size > options.most_bytes() {
            return Err(Error::user("its header says more samples than the limit allows")
                .help("shrink or remove the image, or raise `max_pixels`"));
        }
        let map = match colours {
            Photometric::Palette => Some(palette(&mut header, bits)?),
            _ => None,
        };

        let set = directory.set(&mut self.plain, photometric, BLACK_IS_ZERO);
        set.ok_or_else(|| broken("its directory can't be read"))?;
        // A range is in the file's units; else grey is spread to 8 bits.
        let spread = map.is_none() && !matches!(options.scaling.scale, Scale::Range(..));
        let whole_bytes = |numbers: Numbers, width: usize| match numbers {
            Numbers::U8(packed) if bits < 8 => {
                let invert = colours == Photometric::WhiteIsZero;
                Ok(Numbers::U8(unpacked(&packed, width, Unpacking { bits, spread, invert })))
            }
            _ if bits < 8 => Err(broken("samples of an unknown type")),
            numbers => Ok(numbers),
        };
        let (numbers, kind, planes) = match Tiles::of(&mut header, [width, height], channels)? {
            Some(tiles) => {
                tiles.enlarge(&mut self.plain, &directory)?;
                let mut decoder = decoder(&self.plain, number, options)?;
                let (numbers, kind) =
                    tiles.read(&mut decoder, |packed| whole_bytes(packed, tiles.tile[0]))?;
                (numbers, kind, tiles.planes)
            }
            None => {
                let mut decoder = decoder(&self.plain, number, options)?;
                refuse_missing_strips(&mut decoder)?;
                let mut decoded = DecodingResult::U8(vec![]);
                let layout = decoder.read_image_to_buffer(&mut decoded).map_err(|e| told(&e))?;
                let (numbers, kind) = numbers(decoded);
                (whole_bytes(numbers, width)?, kind, layout.planes)
            }
        };
        if numbers.len() != width * height * channels {
            return Err(broken(format_args!(
                "{} samples were decoded where {width}x{height}x{channels} were expected",
                numbers.len()
            )));
        }
        let numbers = if planes > 1 { interleaved(numbers, channels) } else { numbers };
        let image = Image { width, height, channels, pixels: numbers };
        let image = match (colours, map) {
            (_, Some(map)) => Image { channels: 3, pixels: looked_up(&image.pixels, &map)?, ..image },
            (Photometric::WhiteIsZero, _) if bits >= 8 => {
                Image { pixels: inverted(image.pixels, kind)?, ..image }
            }
            _ => image,
        };
        let colours = if colours == Photometric::Rgb { 3 } else { 1 };
        let alpha = match extra[..] {
            [1] if channels == colours + 1 => Some(Alpha::Premultiplied),
            [2] if channels == colours + 1 => Some(Alpha::Straight),
            _ => None,
        };
        Ok(Page { image, kind, alpha, orientation })
    }
}

/// Pages of one grey channel as the channels of one image.
fn stacked(first: Page, others: Vec<Page>) -> Result<Page> {
    let (width, height, channels) = (first.image.width, first.image.height, 1 + others.len());
    let mut planes = first.image.pixels;
    for (number, Page { image, kind, .. }) in (1..).zip(others) {
        let alike = (image.width, image.height, image.channels, kind) == (width, height, 1, first.kind);
        match (&mut planes, image.pixels) {
            (Numbers::U8(all), Numbers::U8(own)) if alike => all.extend(own),
            (Numbers::U16(all), Numbers::U16(own)) if alike => all.extend(own),
            (Numbers::F32(all), Numbers::F32(own)) if alike => all.extend(own),
            (Numbers::F64(all), Numbers::F64(own)) if alike => all.extend(own),
            _ => {
                return Err(Error::user(format!(
                    "it has a page for each of {channels} channels, and page {number} is unlike the first"
                ))
                .help("give all pages one size and type, or choose one of them by data.page"));
            }
        }
    }
    let image = Image { width, height, channels, pixels: interleaved(planes, channels) };
    Ok(Page { image, alpha: None, ..first })
}

/// A strip without a place would be read from the file's first bytes.
fn refuse_missing_strips(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<()> {
    let offsets: Option<Vec<u64>> = decoder.find_tag_unsigned_vec(Tag::StripOffsets).map_err(|e| told(&e))?;
    match offsets.unwrap_or_default().contains(&0) {
        true => Err(unread("a sparse TIFF: some of it isn't stored")),
        false => Ok(()),
    }
}

/// At a page.
fn decoder(bytes: &[u8], page: usize, options: DecodeOptions) -> Result<Decoder<Cursor<&[u8]>>> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::try_from(options.most_bytes()).unwrap_or(usize::MAX);
    // Nothing of a file is larger than itself.
    limits.ifd_value_size = bytes.len();
    limits.intermediate_buffer_size = bytes.len();
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(|e| told(&e))?;
    let mut decoder = decoder.with_limits(limits);
    decoder.seek_to_image(page).map_err(|e| match e {
        TiffError::FormatError(TiffFormatError::ImageFileDirectoryNotFound) => {
            Error::user(format!("the file has no page {page} (counted from 0)"))
                .help("choose another data.page")
        }
        e => told(&e),
    })?;
    Ok(decoder)
}

pub(super) fn told(error: &TiffError) -> Error {
    match error {
        TiffError::UnsupportedError(what) => {
            let what = what.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            unread(&format!("a TIFF that isn't read ({what})"))
        }
        // The size was looked at before: what else is limited is limited by the file's length.
        TiffError::LimitsExceeded => broken("it is shorter than its header says (a truncated file)"),
        other => broken(other),
    }
}

/// What a TIFF is that is sound and not read.
pub(super) fn unread(what: &str) -> Error {
    Error::user(format!("the image is {what}")).help(
        "write it anew, as with tifffile: imwrite(FILE, imread(FILE), compression=\"deflate\"), or as .npy",
    )
}

fn unread_colours(photometric: u64) -> Error {
    let name = match photometric {
        4 => "a transparency mask",
        5 => "of CMYK inks",
        6 => "of YCbCr colours",
        8..=10 => "of CIE Lab colours",
        32803 => "of a camera's raw samples (CFA)",
        _ => {
            return unread(&format!(
                "a TIFF of colours that aren't read (PhotometricInterpretation {photometric})"
            ));
        }
    };
    Error::user(format!("the image is a TIFF {name}, which isn't read")).help("convert it to RGB or grey")
}

fn check_compression(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<()> {
    let method = tags(decoder, Tag::Compression)?.first().copied().unwrap_or(1);
    match CompressionMethod::from_u16_exhaustive(method) {
        CompressionMethod::None
        | CompressionMethod::LZW
        | CompressionMethod::Deflate
        | CompressionMethod::OldDeflate
        | CompressionMethod::PackBits => Ok(()),
        CompressionMethod::ModernJPEG | CompressionMethod::JPEG => Err(unread("a TIFF compressed by JPEG")),
        CompressionMethod::ZSTD => Err(unread("a TIFF compressed by Zstandard")),
        CompressionMethod::WebP => Err(unread("a TIFF compressed by WebP")),
        CompressionMethod::Fax3 | CompressionMethod::Fax4 | CompressionMethod::Huffman => {
            Err(unread("a TIFF of a fax (CCITT)"))
        }
        _ => Err(unread(&format!("a TIFF compressed by method {method}"))),
    }
}

fn check_bits(bits: u16, channels: usize) -> Result<()> {
    match bits {
        1 | 2 | 4 if channels == 1 => Ok(()),
        8 | 16 | 32 | 64 => Ok(()),
        _ => Err(unread(&format!("a TIFF of {channels} samples of {bits} bits a pixel"))),
    }
}

/// The numbers of a tag; none where it is missing.
fn tags(decoder: &mut Decoder<Cursor<&[u8]>>, tag: Tag) -> Result<Vec<u16>> {
    let read: TiffResult<Option<Vec<u16>>> = decoder.find_tag_unsigned_vec(tag);
    Ok(read.map_err(|e| told(&e))?.unwrap_or_default())
}

pub(super) fn numbers(decoded: DecodingResult) -> (Numbers, NumberKind) {
    use NumberKind::{Float, Signed, Unsigned};
    fn doubles<T: Copy>(values: Vec<T>, of: impl Fn(T) -> f64) -> Numbers {
        Numbers::F64(values.into_iter().map(of).collect())
    }
    match decoded {
        DecodingResult::U8(v) => (Numbers::U8(v), Unsigned(8)),
        DecodingResult::U16(v) => (Numbers::U16(v), Unsigned(16)),
        DecodingResult::U32(v) => (doubles(v, f64::from), Unsigned(32)),
        DecodingResult::U64(v) => (doubles(v, |v| v as f64), Unsigned(64)),
        DecodingResult::I8(v) => (Numbers::F32(v.into_iter().map(f32::from).collect()), Signed(8)),
        DecodingResult::I16(v) => (Numbers::F32(v.into_iter().map(f32::from).collect()), Signed(16)),
        DecodingResult::I32(v) => (doubles(v, f64::from), Signed(32)),
        DecodingResult::I64(v) => (doubles(v, |v| v as f64), Signed(64)),
        DecodingResult::F16(v) => (Numbers::F32(v.into_iter().map(f32::from).collect()), Float),
        DecodingResult::F32(v) => (Numbers::F32(v), Float),
        DecodingResult::F64(v) => (Numbers::F64(v), Float),
    }
}

/// What samples of 1, 2 or 4 bits become.
#[derive(Clone, Copy)]
struct Unpacking {
    bits: u16,
    /// Whether they are spread to 8 bits.
    spread: bool,
    /// Whether 0 is white.
    invert: bool,
}

/// Samples of 1, 2 or 4 bits, the highest of a byte first, each row from a byte of its own.
fn unpacked(packed: &[u8], width: usize, Unpacking { bits, spread, invert }: Unpacking) -> Vec<u8> {
    let each = usize::from(8 / bits);
    let most = ((1u16 << bits) - 1) as u8;
    let factor = if spread { 255 / most } else { 1 };
    let rows = packed.chunks(width.div_ceil(each));
    rows.flat_map(|row| {
        (0..width).map(move |x| {
            let shift = 8 - bits as usize * (x % each + 1);
            let value = row.get(x / each).copied().unwrap_or(0) >> shift & most;
            factor * if invert { most - value } else { value }
        })
    })
    .collect()
}

/// From channels one after the other to pixels one after the other.
fn interleaved(numbers: Numbers, channels: usize) -> Numbers {
    fn of<T: Copy>(planes: &[T], channels: usize) -> Vec<T> {
        let area = planes.len() / channels;
        (0..planes.len()).map(|i| planes[i % channels * area + i / channels]).collect()
    }
    match numbers {
        Numbers::U8(v) => Numbers::U8(of(&v, channels)),
        Numbers::U16(v) => Numbers::U16(of(&v, channels)),
        Numbers::F32(v) => Numbers::F32(of(&v, channels)),
        Numbers::F64(v) => Numbers::F64(of(&v, channels)),
    }
}

/// The colours of a palette, by 8 bits: all reds of the file, then greens, then blues, of which libtiff and Pillow too
/// take the higher byte.
fn palette(decoder: &mut Decoder<Cursor<&[u8]>>, bits: u16) -> Result<Vec<[u8; 3]>> {
    if bits > 8 {
        return Err(unread(&format!("a TIFF with a palette for {bits} bits")));
    }
    let count = 1usize << bits;
    let map = tags(decoder, Tag::ColorMap)?;
    if map.len() != 3 * count {
        return Err(broken(format_args!("its palette has {} numbers, not {}", map.len(), 3 * count)));
    }
    Ok((0..count).map(|i| [0, 1, 2].map(|colour| (map[colour * count + i] >> 8) as u8)).collect())
}

fn looked_up(indices: &Numbers, map: &[[u8; 3]]) -> Result<Numbers> {
    let Numbers::U8(indices) = indices else { return Err(broken("a palette for other than small integers")) };
    Ok(Numbers::U8(indices.iter().flat_map(|&index| map[usize::from(index)]).collect()))
}

fn inverted(numbers: Numbers, kind: NumberKind) -> Result<Numbers> {
    match (numbers, kind) {
        (Numbers::U8(v), NumberKind::Unsigned(_)) => {
            Ok(Numbers::U8(v.into_iter().map(|v| 255 - v).collect()))
        }
        (Numbers::U16(v), NumberKind::Unsigned(_)) => {
            Ok(Numbers::U16(v.into_iter().map(|v| u16::MAX - v).collect()))
        }
        _ => Err(unread("a TIFF whose white is zero, of other than 8 or 16 bits")),
    }
}

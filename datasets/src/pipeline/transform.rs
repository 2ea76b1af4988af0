//! From a decoded image to planes of the batch.

use std::sync::Arc;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{F32, U8, U8x3, U16};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use palimpsest_core::data::{Image, Normalisation, Samples};
use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result};

use crate::augment::{Augment, Border, Filter, PixelBox, Placement};
use crate::colour::with_channels;
use crate::joint::{Framing, planes};
use crate::pipeline::planes::{Cut, cut_planes};
use crate::pipeline::sample_type::SampleType;

/// A crop, a resize and a normalisation to a square of fixed size.
#[derive(Debug, Clone)]
pub struct Transform {
    size: usize,
    channels: usize,
    augment: Augment,
    by: Arc<Normalisation>,
}

/// The most channels of an image.
pub const MOST_CHANNELS: usize = 64;

/// The table that leaves bytes as they are.
const AS_STORED: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte as u8;
        byte += 1;
    }
    table
};

/// Buffers of one worker, kept from image to image.
#[derive(Default)]
pub struct Scratch {
    pub(crate) resizer: Resizer,
    pub(crate) resized: Vec<u8>,
    pub(crate) planes_8: [Vec<U8>; 2],
    pub(crate) planes_16: [Vec<U16>; 2],
    pub(crate) planes_float: [Vec<F32>; 2],
}

impl Transform {
    /// To squares of `size` pixels with `channels` (1 to 64), normalised by `(v - mean) / std` of
    /// values in 0..1. `mean` and `std` have one number for each channel.
    ///
    /// # Errors
    /// A number out of range.
    pub fn new(size: usize, channels: usize, augment: Augment, mean: &[f32], std: &[f32]) -> Result<Self> {
        if !(1..=16_384).contains(&size) {
            return Err(Error::user(format!("image_size = {size}")).help("use 1 to 16384 pixels"));
        }
        if !(1..=MOST_CHANNELS).contains(&channels) {
            return Err(Error::user(format!("channels = {channels}"))
                .help("use 1 (grey), 3 (RGB) or as many as the files have, at most 64"));
        }
        for (name, values) in [("mean", mean), ("std", std)] {
            if values.len() != channels {
                return Err(Error::user(format!(
                    "{name} has {} numbers for {channels} channels",
                    values.len()
                ))
                .help("give one for each channel"));
            }
        }
        if let Some(wrong) = mean.iter().find(|m| !m.is_finite()) {
            return Err(Error::user(format!("mean has {wrong}")).help("use finite numbers"));
        }
        if let Some(wrong) = std.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(Error::user(format!("std has {wrong}")).help("use numbers above 0"));
        }
        augment.check(size)?;
        Ok(Self { size, channels, augment, by: Arc::new(Normalisation::new(mean, std)) })
    }

    /// [channels, size, size] of the result.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.size, self.size]
    }

    /// What normalises.
    pub fn normalisation(&self) -> &Arc<Normalisation> {
        &self.by
    }

    /// Transforms an image into normalised planes `out`, [channels, size, size], drawing from `random`.
    ///
    /// # Errors
    /// An image of other channels (but grey becomes RGB and RGB grey), or without pixels.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn apply(
        &self,
        image: impl Into<Image>,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<()> {
        assert_eq!(out.len(), self.channels * self.size * self.size, "the buffer of one image");
        let image = self.sound(image.into())?;
        let placement = self.augment.draw(image.width, image.height, self.size, random);
        match &image.pixels {
            // Grey and RGB of 8 bits are most images by far, and go by their pixels.
            Samples::U8(pixels) if matches!(self.channels, 1 | 3) => {
                self.place(&image.with_pixels(pixels), placement, scratch, self.by.table(), out)
            }
            Samples::U8(pixels) => self.by_planes(&image.with_pixels(pixels), placement, scratch, out),
            Samples::U16(pixels) => self.by_planes(&image.with_pixels(pixels), placement, scratch, out),
            Samples::F32(pixels) => self.by_planes(&image.with_pixels(pixels), placement, scratch, out),
        }
    }

    /// The same without the normalisation. Whether the image's samples have 8 bits; if not, nothing is drawn or written.
    ///
    /// # Errors
    /// As [`Transform::apply`].
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn bytes(
        &self,
        image: impl Into<Image>,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<bool> {
        assert_eq!(out.len(), self.channels * self.size * self.size, "the buffer of one image");
        let image = self.sound(image.into())?;
        let Samples::U8(pixels) = &image.pixels else { return Ok(false) };
        let image = image.with_pixels(&pixels[..]);
        let placement = self.augment.draw(image.width, image.height, self.size, random);
        if matches!(self.channels, 1 | 3) {
            self.place(&image, placement, scratch, &[AS_STORED; 3][..self.channels], out)?;
        } else {
            let area = self.size * self.size;
            cut_planes(&image, self.cut(placement), scratch, |channel, at, sample: Option<u8>| {
                out[channel * area + at] = sample.unwrap_or(0);
            })?;
        }
        Ok(true)
    }

    /// The square that [`Transform::apply`] would normalise, for what changes it before: see
    /// [`Transform::normalised`].
    ///
    /// # Errors
    /// As [`Transform::apply`]; a reflected border.
    pub fn square(
        &self,
        image: impl Into<Image>,
        random: &mut Philox,
        scratch: &mut Scratch,
    ) -> Result<Image> {
        let image = self.sound(image.into())?;
        let placement = self.augment.draw(image.width, image.height, self.size, random);
        Framing::of_placement(placement, self.size).image(&image, 0, self.augment.filter, scratch)
    }

    /// Normalises a square into `out` of [channels, size, size].
    ///
    /// # Panics
    /// If it has another size.
    pub fn normalised(&self, square: &Image, out: &mut [f32]) {
        assert_eq!(square.pixels.len(), out.len(), "a square of this transform's size");
        match &square.pixels {
            Samples::U8(pixels) => {
                for (channel, (plane, table)) in
                    out.chunks_exact_mut(self.size * self.size).zip(self.by.table()).enumerate()
                {
                    let values = pixels.iter().skip(channel).step_by(self.channels);
                    plane.iter_mut().zip(values).for_each(|(out, &v)| *out = table[usize::from(v)]);
                }
            }
            Samples::U16(_) | Samples::F32(_) => {
                out.copy_from_slice(&planes(square, self.by.mean(), self.by.std()));
            }
        }
    }

    /// The image in the channels that are asked for.
    fn sound(&self, image: Image) -> Result<Image> {
        let sound = image.width > 0
            && image.height > 0
            && image.pixels.len() == image.width * image.height * image.channels;
        if !sound {
            return Err(Error::user(format!(
                "{} samples for an image of {}x{}x{}",
                image.pixels.len(),
                image.width,
                image.height,
                image.channels
            ))
            .help("fix the reader of this data set"));
        }
        with_channels(image, self.channels)
    }

    /// Any samples and channels.
    fn by_planes<T: SampleType>(
        &self,
        image: &Image<&[T]>,
        at: Placement,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<()> {
        let (area, mean, std) = (self.size * self.size, self.by.mean(), self.by.std());
        cut_planes(image, self.cut(at), scratch, |channel, at, sample: Option<T>| {
            let value = sample.map_or(0.0, T::unit);
            out[channel * area + at] = (value - mean[channel]) / std[channel];
        })
    }

    fn cut(&self, at: Placement) -> Cut {
        let Placement { source, resized, window, border, flip } = at;
        let size = (self.size, self.size);
        Cut { source, resized, window, size, border, flip, filter: self.augment.filter }
    }

    /// Grey or RGB of 8 bits, each byte as its channel's table has it.
    fn place<T: Copy>(
        &self,
        image: &Image<&[u8]>,
        at: Placement,
        scratch: &mut Scratch,
        tables: &[[T; 256]],
        out: &mut [T],
    ) -> Result<()> {
        let (width, height) = at.resized;
        let source = at.source;
        let same = (source.width, source.height) == (width, height);
        if same {
            // No resampling: read the image's own rows.
            let stride = image.width * self.channels;
            let start = source.top * stride + source.left * self.channels;
            self.window(&image.pixels[start..], stride, at, tables, out);
            return Ok(());
        }
        resize(image, source, at.resized, self.augment.filter, scratch)?;
        self.window(&scratch.resized, width * self.channels, at, tables, out);
        Ok(())
    }

    /// Cuts the window out of interleaved rows `stride` bytes apart, mirrors it and looks its bytes up.
    fn window<T: Copy>(
        &self,
        pixels: &[u8],
        stride: usize,
        at: Placement,
        tables: &[[T; 256]],
        out: &mut [T],
    ) {
        let size = self.size;
        let (left, top) = at.window;
        let inside = left >= 0
            && top >= 0
            && left as usize + size <= at.resized.0
            && top as usize + size <= at.resized.1;
        if !inside {
            return self.padded_window(pixels, stride, at, tables, out);
        }
        let (left, top) = (left as usize, top as usize);
        let row = |y: usize| {
            let start = (top + y) * stride + left * self.channels;
            &pixels[start..start + size * self.channels]
        };
        if let [grey] = tables {
            for (y, out) in out.chunks_exact_mut(size).enumerate() {
                fill(out, row(y).iter().map(|&v| grey[usize::from(v)]), at.flip);
            }
            return;
        }
        let [red, green, blue] = tables else { return };
        let (r, rest) = out.split_at_mut(size * size);
        let (g, b) = rest.split_at_mut(size * size);
        let planes = r.chunks_exact_mut(size).zip(g.chunks_exact_mut(size)).zip(b.chunks_exact_mut(size));
        for (y, ((r, g), b)) in planes.enumerate() {
            let outs = r.iter_mut().zip(g).zip(b);
            let row = row(y).chunks_exact(3);
            let put = |(((r, g), b), p): (((&mut T, &mut T), &mut T), &[u8])| {
                *r = red[usize::from(p[0])];
                *g = green[usize::from(p[1])];
                *b = blue[usize::from(p[2])];
            };
            if at.flip {
                outs.zip(row.rev()).for_each(put);
            } else {
                outs.zip(row).for_each(put);
            }
        }
    }

    fn padded_window<T: Copy>(
        &self,
        pixels: &[u8],
        stride: usize,
        at: Placement,
        tables: &[[T; 256]],
        out: &mut [T],
    ) {
        let size = self.size;
        let locate = |i: i64, side: usize| -> Option<usize> {
            if (0..side as i64).contains(&i) {
                return Some(i as usize);
            }
            (at.border == Border::Reflect).then(|| reflect(i, side))
        };
        for (plane, table) in tables.iter().enumerate() {
            for y in 0..size {
                let sy = locate(at.window.1 + y as i64, at.resized.1);
                for x in 0..size {
                    let across = if at.flip { size - 1 - x } else { x };
                    let sx = locate(at.window.0 + across as i64, at.resized.0);
                    let value = match (sx, sy) {
                        (Some(x), Some(y)) => pixels[y * stride + x * self.channels + plane],
                        _ => 0,
                    };
                    out[(plane * size + y) * size + x] = table[usize::from(value)];
                }
            }
        }
    }
}

fn fill<T>(out: &mut [T], values: impl DoubleEndedIterator<Item = T>, flip: bool) {
    if flip {
        out.iter_mut().zip(values.rev()).for_each(|(o, v)| *o = v);
    } else {
        out.iter_mut().zip(values).for_each(|(o, v)| *o = v);
    }
}

/// Index `i` outside of 0..side, mirrored at the edges without repeating them.
pub(crate) fn reflect(i: i64, side: usize) -> usize {
    let period = 2 * (side as i64 - 1).max(1);
    let i = i.rem_euclid(period);
    (if i < side as i64 { i } else { period - i }) as usize
}

/// Resizes the source box into `scratch.resized`. The filter sees the box alone, as if it had been
/// cut out first.
pub(crate) fn resize(
    image: &Image<&[u8]>,
    source: PixelBox,
    to: (usize, usize),
    filter: Filter,
    scratch: &mut Scratch,
) -> Result<()> {
    scratch.resized.resize(to.0 * to.1 * image.channels, 0);
    // By pixel type: the untyped way would compile the resampling of a dozen types.
    if image.channels == 1 {
        resize_pixels::<U8>(image, source, to, filter, scratch)
    } else {
        resize_pixels::<U8x3>(image, source, to, filter, scratch)
    }
    .map_err(|e| Error::failure(format!("can't resize {source:?} of an image to {}x{}: {e}", to.0, to.1)))
}

type Resized = std::result::Result<(), Box<dyn std::error::Error>>;

fn resize_pixels<P: PixelTrait>(
    image: &Image<&[u8]>,
    source: PixelBox,
    to: (usize, usize),
    filter: Filter,
    scratch: &mut Scratch,
) -> Resized {
    let [left, top, width, height] = [source.left, source.top, source.width, source.height].map(|v| v as u32);
    let whole = TypedImageRef::<P>::from_buffer(image.width as u32, image.height as u32, image.pixels)?;
    let cut = TypedCroppedImage::from_ref(&whole, left, top, width, height)?;
    let mut target = TypedImage::<P>::from_buffer(to.0 as u32, to.1 as u32, &mut scratch.resized)?;
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter_type(filter))).use_alpha(false);
    scratch.resizer.resize_typed(&cut, &mut target, &options)?;
    Ok(())
}

pub(crate) fn filter_type(filter: Filter) -> FilterType {
    match filter {
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
    }
}

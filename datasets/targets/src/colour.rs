//! Grey and RGB.

use palimpsest_core::data::{Image, Image8, Samples};
use palimpsest_core::{Error, Result};

/// Rec. 601 luma of an RGB pixel in 16-bit fixed point, rounded: the same integers as PIL's `L`.
#[inline]
pub fn luma_601(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// The image with 1 (grey) or 3 (RGB) channels; grey is repeated, RGB becomes its luma. One that has as many as asked
/// for stays as it is.
///
/// # Errors
/// Another number of channels on either side.
pub fn with_channels(image: impl Into<Image>, channels: usize) -> Result<Image> {
    let image = image.into();
    let pixels: Samples = match (image.channels, channels) {
        (have, want) if have == want => return Ok(image),
        (3, 1) => match &image.pixels {
            Samples::U8(v) => {
                v.chunks_exact(3).map(|p| luma_601(p[0], p[1], p[2])).collect::<Vec<_>>().into()
            }
            Samples::U16(v) => {
                let weighed = |p: &[u16]| {
                    let [r, g, b] = [p[0], p[1], p[2]].map(u64::from);
                    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u16
                };
                v.chunks_exact(3).map(weighed).collect::<Vec<_>>().into()
            }
            Samples::F32(v) => {
                let weighed = |p: &[f32]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
                v.chunks_exact(3).map(weighed).collect::<Vec<_>>().into()
            }
        },
        (1, 3) => match &image.pixels {
            Samples::U8(v) => repeated(v).into(),
            Samples::U16(v) => repeated(v).into(),
            Samples::F32(v) => repeated(v).into(),
        },
        (have, want) => {
            let help = if matches!(want, 1 | 3) {
                "use `channels = 1` (grey) or `channels = 3` (RGB)".to_owned()
            } else {
                format!("set `channels = {have}`, or keep files with as many as are asked for")
            };
            return Err(Error::user(format!("can't turn {have} channels into {want}")).help(help));
        }
    };
    Ok(Image { channels, pixels, ..image })
}

fn repeated<T: Copy>(grey: &[T]) -> Vec<T> {
    grey.iter().flat_map(|&v| [v; 3]).collect()
}

/// What can be seen of an image: three of its channels as red, green and blue, by 8 bits. What lies outside of 0..1 is
/// cut.
///
/// # Panics
/// If there is no such channel.
pub fn shown_as_rgb(image: &Image, shown: [usize; 3]) -> Image8 {
    let pixels = match &image.pixels {
        Samples::U8(v) => picked(v, image.channels, shown, |v| v),
        Samples::U16(v) => picked(v, image.channels, shown, |v| ((u32::from(v) + 128) / 257) as u8),
        Samples::F32(v) => picked(v, image.channels, shown, |v| (v.clamp(0.0, 1.0) * 255.0).round() as u8),
    };
    Image { width: image.width, height: image.height, channels: 3, pixels }
}

/// The first three channels, or the first of fewer.
pub fn shown_by_default(channels: usize) -> [usize; 3] {
    if channels < 3 { [0; 3] } else { [0, 1, 2] }
}

fn picked<T: Copy>(pixels: &[T], channels: usize, shown: [usize; 3], of: impl Fn(T) -> u8) -> Vec<u8> {
    pixels.chunks_exact(channels).flat_map(|pixel| shown.map(|channel| of(pixel[channel]))).collect()
}

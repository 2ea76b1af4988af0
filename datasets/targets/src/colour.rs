//! Grey and RGB.

use palimpsest_core::data::Image;
use palimpsest_core::{Error, Result};

/// Rec. 601 luma of an RGB pixel in 16-bit fixed point, rounded: the same integers as PIL's `L`.
#[inline]
pub fn luma_601(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// The image with 1 (grey) or 3 (RGB) channels; grey is repeated, RGB becomes its luma.
///
/// # Errors
/// Another number of channels on either side.
pub fn with_channels(image: Image, channels: usize) -> Result<Image> {
    let pixels = match (image.channels, channels) {
        (have, want) if have == want => return Ok(image),
        (3, 1) => image.pixels.chunks_exact(3).map(|p| luma_601(p[0], p[1], p[2])).collect(),
        (1, 3) => image.pixels.iter().flat_map(|&v| [v; 3]).collect(),
        (have, want) => {
            return Err(Error::user(format!("can't turn {have} channels into {want}"))
                .help("use `channels = 1` (grey) or `channels = 3` (RGB)"));
        }
    };
    Ok(Image { channels, pixels, ..image })
}

//! Opacity, composited on white.

use palimpsest_core::data::Image;
use palimpsest_core::{Error, Result};

use crate::pipeline::scaling::{NumberKind, Numbers};

/// How the colours of a pixel are stored beside its opacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpha {
    /// As they are.
    Straight,
    /// Times the opacity.
    Premultiplied,
}

/// The image without its last channel, the opacity, as it looks on white.
///
/// # Errors
/// Numbers of which white isn't told by the type.
pub(super) fn on_white(image: Image<Numbers>, kind: NumberKind, alpha: Alpha) -> Result<Image<Numbers>> {
    let Image { width, height, channels, pixels } = image;
    let pixels = match (pixels, kind) {
        (Numbers::U8(v), NumberKind::Unsigned(8)) => {
            Numbers::U8(composited(&v, channels, 255, alpha, |v| v as u8))
        }
        (Numbers::U16(v), NumberKind::Unsigned(16)) => {
            Numbers::U16(composited(&v, channels, 65_535, alpha, |v| v as u16))
        }
        _ => {
            return Err(Error::user("the image has an opacity, and samples of other than 8 or 16 bits")
                .help(format!(
                    "set data.channels={channels} to take it as a channel, or write the image without"
                )));
        }
    };
    Ok(Image { width, height, channels: channels - 1, pixels })
}

fn composited<T: Copy + Into<u64>>(
    samples: &[T],
    channels: usize,
    white: u64,
    alpha: Alpha,
    of: impl Fn(u64) -> T,
) -> Vec<T> {
    let mut out = Vec::with_capacity(samples.len() / channels * (channels - 1));
    for pixel in samples.chunks_exact(channels) {
        let opaque: u64 = pixel[channels - 1].into();
        out.extend(pixel[..channels - 1].iter().map(|&v| {
            let v: u64 = v.into();
            of(match alpha {
                Alpha::Straight => (v * opaque + white * (white - opaque) + white / 2) / white,
                Alpha::Premultiplied => (v + white - opaque).min(white),
            })
        }));
    }
    out
}

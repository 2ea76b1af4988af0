//! The samples of an image as its file stores them, and how they become 8-bit grey or RGB.

use palimpsest_core::Result;
use palimpsest_core::data::Image;

use crate::colour::luma_601;
use crate::decode::{DecodeOptions, interpreted};
use crate::pipeline::alpha::Alpha;
use crate::pipeline::scaling::{NumberKind, Numbers, Scale};

/// Interleaved samples, those of a row one after the other.
pub(super) struct StoredSamples {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 1 (grey) or 3 (RGB).
    pub(super) colours: usize,
    /// Whether an opacity follows the colours of each pixel.
    pub(super) alpha: bool,
    /// Whether a sample has 16 bits, the higher 8 first.
    pub(super) wide: bool,
    pub(super) bytes: Vec<u8>,
}

impl StoredSamples {
    /// The image that is asked for: of 8 bits, or by a range of values that keeps all bits.
    ///
    /// # Errors
    /// Other channels than asked for.
    pub(super) fn image(self, options: DecodeOptions) -> Result<Image> {
        let (width, height, channels) = (self.width, self.height, options.channels);
        if options.scaling.scale == Scale::TypeRange && matches!(channels, 1 | 3) {
            return Ok(Image { width, height, channels, pixels: self.flatten(channels) }.into());
        }
        let Self { colours, alpha, wide, bytes, .. } = self;
        let (numbers, kind) = if wide {
            let pairs = bytes.as_chunks::<2>().0;
            let numbers = pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect();
            (Numbers::U16(numbers), NumberKind::Unsigned(16))
        } else {
            (Numbers::U8(bytes), NumberKind::Unsigned(8))
        };
        let image = Image { width, height, channels: colours + usize::from(alpha), pixels: numbers };
        interpreted(image, kind, alpha.then_some(Alpha::Straight), options)
    }

    /// 8 bits, no alpha, 1 or 3 channels. Large images are why it is done in place: beside the samples there is
    /// room for no second copy.
    fn flatten(self, channels: usize) -> Vec<u8> {
        let Self { colours, alpha, wide, bytes: mut samples, .. } = self;
        let stride = (colours + usize::from(alpha)) * (1 + usize::from(wide));
        let on_white = |v: u8, alpha: u8| {
            ((u32::from(v) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8
        };
        let pixel_of = |samples: &[u8]| -> [u8; 3] {
            let value = |i: usize| match wide {
                true => {
                    let value = u16::from_be_bytes([samples[2 * i], samples[2 * i + 1]]);
                    ((u32::from(value) + 128) / 257) as u8
                }
                false => samples[i],
            };
            let opaque = if alpha { value(colours) } else { 255 };
            let shown = |i: usize| if alpha { on_white(value(i), opaque) } else { value(i) };
            match (colours, channels) {
                (1, _) => [shown(0); 3],
                (_, 1) => [luma_601(shown(0), shown(1), shown(2)); 3],
                _ => [shown(0), shown(1), shown(2)],
            }
        };
        let count = samples.len() / stride;
        if channels > stride {
            // Grey to RGB: from the end, so that nothing is overwritten before it is read.
            samples.resize(count * channels, 0);
            for i in (0..count).rev() {
                let pixel = pixel_of(&samples[i * stride..(i + 1) * stride]);
                samples[i * channels..(i + 1) * channels].copy_from_slice(&pixel[..channels]);
            }
        } else {
            for i in 0..count {
                let pixel = pixel_of(&samples[i * stride..(i + 1) * stride]);
                samples[i * channels..(i + 1) * channels].copy_from_slice(&pixel[..channels]);
            }
            samples.truncate(count * channels);
            samples.shrink_to_fit();
        }
        samples
    }
}

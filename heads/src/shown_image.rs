//! Images of a batch as they can be seen.

use palimpsest_core::data::{Batch, Image};
use palimpsest_core::head::HeadContext;

/// Image `index` of a batch in 8 bits, its normalisation undone.
pub(crate) fn shown_image(batch: &Batch, index: usize, context: &HeadContext) -> Image {
    let [_, channels, height, width] = batch.shape;
    let planes = &batch.pixels[index * channels * height * width..][..channels * height * width];
    let of = |values: &[f32], channel: usize, none: f32| {
        values.get(channel).or(values.last()).copied().unwrap_or(none)
    };
    let mut pixels = Vec::with_capacity(planes.len());
    for at in 0..height * width {
        for channel in 0..channels {
            let value = planes[channel * height * width + at];
            let value = value * of(&context.std, channel, 1.0) + of(&context.mean, channel, 0.0);
            pixels.push((255.0 * value.clamp(0.0, 1.0)).round() as u8);
        }
    }
    Image { width, height, channels, pixels }
}

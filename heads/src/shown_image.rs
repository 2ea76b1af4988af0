//! Images of a batch as they can be seen.

use palimpsest_core::Result;
use palimpsest_core::data::{Batch, Image, Image8};
use palimpsest_core::head::{HeadContext, MetricState};

/// Image `index` of a batch as RGB of 8 bits, its normalisation undone.
pub(crate) fn shown_image(batch: &Batch, index: usize, context: &HeadContext) -> Image8 {
    let [_, _, height, width] = batch.shape;
    let planes = batch.slice(index, index + 1).pixels.into_normalised();
    let of = |values: &[f32], channel: usize, none: f32| {
        values.get(channel).or(values.last()).copied().unwrap_or(none)
    };
    let mut pixels = Vec::with_capacity(3 * height * width);
    for at in 0..height * width {
        for channel in context.shown {
            let value = planes[channel * height * width + at];
            let value = value * of(&context.std, channel, 1.0) + of(&context.mean, channel, 0.0);
            pixels.push((255.0 * value.clamp(0.0, 1.0)).round() as u8);
        }
    }
    Image { width, height, channels: 3, pixels }
}

/// Puts an image into a metric's state.
pub(crate) fn put_image(image: &Image8, state: &mut MetricState) {
    state.put(&[image.width as u64, image.height as u64, image.channels as u64]);
    state.put(&image.pixels);
}

/// Takes what [`put_image`] has put.
pub(crate) fn take_image(state: &mut MetricState) -> Result<Image8> {
    let [width, height, channels] = state.take_array::<u64, 3>()?.map(|extent| extent as usize);
    Ok(Image { width, height, channels, pixels: state.take()? })
}

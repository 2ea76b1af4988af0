//! Operations that look each value up in a table, as Pillow's `ImageOps`.

use palimpsest_core::data::Image8;

/// A table for all channels.
pub(super) fn each(image: &Image8, table: impl Fn(u8) -> u8) -> Image8 {
    let table: [u8; 256] = std::array::from_fn(|v| table(v as u8));
    let pixels = image.pixels.iter().map(|&v| table[usize::from(v)]).collect();
    image.with_pixels(pixels)
}

/// A table for each channel from its histogram.
fn by_histogram(image: &Image8, table: impl Fn(&[u64; 256]) -> [u8; 256]) -> Image8 {
    let mut out = image.clone();
    for channel in 0..image.channels {
        let mut histogram = [0u64; 256];
        let values = image.pixels.iter().skip(channel).step_by(image.channels);
        values.for_each(|&v| histogram[usize::from(v)] += 1);
        let table = table(&histogram);
        let values = out.pixels.iter_mut().skip(channel).step_by(image.channels);
        values.for_each(|v| *v = table[usize::from(*v)]);
    }
    out
}

const SAME: fn(usize) -> u8 = |v| v as u8;

/// The darkest value to 0, the brightest to 255.
pub(super) fn auto_contrast(image: &Image8) -> Image8 {
    by_histogram(image, |histogram| {
        let low = histogram.iter().position(|&n| n > 0).unwrap_or(0);
        let high = histogram.iter().rposition(|&n| n > 0).unwrap_or(0);
        if high <= low {
            return std::array::from_fn(SAME);
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        std::array::from_fn(|v| (v as f64 * scale + offset) as i64 as f64)
            .map(|v: f64| v.clamp(0.0, 255.0) as u8)
    })
}

/// A flat histogram.
pub(super) fn equalize(image: &Image8) -> Image8 {
    by_histogram(image, |histogram| {
        let occurring: Vec<u64> = histogram.iter().copied().filter(|&n| n > 0).collect();
        let all: u64 = occurring.iter().sum();
        let step = (all - occurring.last().copied().unwrap_or(0)) / 255;
        if occurring.len() <= 1 || step == 0 {
            return std::array::from_fn(SAME);
        }
        let mut below = step / 2;
        histogram.map(|count| {
            let value = (below / step).min(255) as u8;
            below += count;
            value
        })
    })
}

/// The `bits` highest bits.
pub(super) fn posterize(image: &Image8, bits: u32) -> Image8 {
    let mask = !(0xFF_u32 >> bits) as u8;
    each(image, |v| v & mask)
}

/// Values from `threshold` on inverted.
pub(super) fn solarize(image: &Image8, threshold: u32) -> Image8 {
    each(image, |v| if u32::from(v) < threshold { v } else { 255 - v })
}

/// `add` more for values below 128.
pub(super) fn solarize_add(image: &Image8, add: u32) -> Image8 {
    each(image, |v| if v < 128 { (u32::from(v) + add).min(255) as u8 } else { v })
}

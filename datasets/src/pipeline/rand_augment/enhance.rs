//! Operations that go from a degenerate image through the image and beyond, as Pillow's
//! `ImageEnhance`.

use palimpsest_core::data::Image8;

use crate::colour::luma_601;

/// `factor` 0 gives the degenerate image, 1 the image.
fn blend(image: &Image8, degenerate: impl Fn(usize) -> u8, factor: f64) -> Image8 {
    let factor = factor as f32;
    let value = |(i, &v): (usize, &u8)| {
        let from = i32::from(degenerate(i));
        // Cut, not rounded, as Pillow does.
        (from as f32 + factor * (i32::from(v) - from) as f32).clamp(0.0, 255.0) as u8
    };
    image.with_pixels(image.pixels.iter().enumerate().map(value).collect())
}

/// The grey value of each pixel.
fn grey(image: &Image8) -> Vec<u8> {
    match image.channels {
        3 => image.pixels.chunks_exact(3).map(|p| luma_601(p[0], p[1], p[2])).collect(),
        _ => image.pixels.clone(),
    }
}

/// From grey.
pub(super) fn color(image: &Image8, factor: f64) -> Image8 {
    let grey = grey(image);
    blend(image, |i| grey[i / image.channels], factor)
}

/// From the mean grey.
pub(super) fn contrast(image: &Image8, factor: f64) -> Image8 {
    let grey = grey(image);
    let sum: u64 = grey.iter().map(|&v| u64::from(v)).sum();
    let mean = (sum as f64 / grey.len().max(1) as f64 + 0.5) as u8;
    blend(image, |_| mean, factor)
}

/// From black.
pub(super) fn brightness(image: &Image8, factor: f64) -> Image8 {
    blend(image, |_| 0, factor)
}

/// From a smoothed image: 5 times a pixel and its 8 neighbours, over 13; the border stays.
pub(super) fn sharpness(image: &Image8, factor: f64) -> Image8 {
    let (width, height, channels) = (image.width, image.height, image.channels);
    let mut smooth = image.pixels.clone();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            for c in 0..channels {
                let at = |x: usize, y: usize| u32::from(image.pixels[(y * width + x) * channels + c]);
                let around: u32 = (y - 1..=y + 1).flat_map(|y| (x - 1..=x + 1).map(move |x| at(x, y))).sum();
                let sum = around + 4 * at(x, y);
                // Rounded to the nearest: no sum lies halfway between two, 13 being odd.
                smooth[(y * width + x) * channels + c] = ((2 * sum + 13) / 26) as u8;
            }
        }
    }
    blend(image, |i| smooth[i], factor)
}

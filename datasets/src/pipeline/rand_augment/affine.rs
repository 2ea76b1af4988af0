//! Affine maps, bilinear, as Pillow's `Image.transform`; what lies outside is mid-grey.

use palimpsest_core::data::{Image, Samples};

use crate::pipeline::sample_type::SampleType;

/// timm's fill, of 8 bits.
const OUTSIDE: u8 = 128;

/// Each pixel (x, y) of the result, by its centre, is taken from (a x + b y + c, d x + e y + f).
pub(super) fn transform<T: SampleType>(image: &Image<Vec<T>>, [a, b, c, d, e, f]: [f64; 6]) -> Image<Vec<T>> {
    let (width, height, channels) = (image.width, image.height, image.channels);
    let mut pixels = vec![T::of_8_bit(OUTSIDE); image.pixels.len()];
    for (i, out) in pixels.chunks_exact_mut(channels).enumerate() {
        let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
        let (from_x, from_y) = (a * x + b * y + c, d * x + e * y + f);
        let inside = from_x >= 0.0 && from_x < width as f64 && from_y >= 0.0 && from_y < height as f64;
        if !inside {
            continue;
        }
        let (left, top) = ((from_x - 0.5).floor(), (from_y - 0.5).floor());
        let (dx, dy) = (from_x - 0.5 - left, from_y - 0.5 - top);
        let clip = |v: f64, side: usize| v.clamp(0.0, (side - 1) as f64) as usize;
        let [columns, rows] =
            [[clip(left, width), clip(left + 1.0, width)], [clip(top, height), clip(top + 1.0, height)]];
        for (channel, out) in out.iter_mut().enumerate() {
            let row = |y: usize| {
                let [left, right]: [f64; 2] =
                    columns.map(|x| image.pixels[(y * width + x) * channels + channel].into());
                left + (right - left) * dx
            };
            let (above, below) = (row(rows[0]), row(rows[1]));
            *out = T::cut(above + (below - above) * dy);
        }
    }
    image.with_pixels(pixels)
}

/// The image turned against the clock about its middle.
pub fn rotate(image: &Image, degrees: f64) -> Image {
    match &image.pixels {
        Samples::U8(pixels) => rotated(&image.with_pixels(pixels.clone()), degrees).into(),
        Samples::U16(pixels) => rotated(&image.with_pixels(pixels.clone()), degrees).into(),
        Samples::F32(pixels) => rotated(&image.with_pixels(pixels.clone()), degrees).into(),
    }
}

pub(super) fn rotated<T: SampleType>(image: &Image<Vec<T>>, degrees: f64) -> Image<Vec<T>> {
    if degrees == 0.0 {
        return image.clone();
    }
    let angle = -degrees.to_radians();
    // Pillow rounds to 15 digits, so that right angles are exact.
    let round = |v: f64| (v * 1e15).round() / 1e15;
    let (cos, sin) = (round(angle.cos()), round(angle.sin()));
    let (x, y) = (image.width as f64 / 2.0, image.height as f64 / 2.0);
    let across = cos * -x + sin * -y + x;
    let down = -sin * -x + cos * -y + y;
    transform(image, [cos, sin, across, -sin, cos, down])
}

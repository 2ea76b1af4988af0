//! The EXIF orientation tag: how a camera was held.

use palimpsest_core::data::{Image, Samples};

/// Turns an image upright by its EXIF orientation (1..=8; anything else leaves it as it is).
///
/// 2 mirrors left-right, 3 turns by 180 degrees, 4 mirrors top-bottom, 5 transposes, 6 turns 90
/// degrees clockwise, 7 transposes across the other diagonal, 8 turns 90 degrees counter-clockwise.
#[must_use]
pub fn upright(image: Image, exif: u8) -> Image {
    let Image { width, height, channels, pixels } = image;
    match pixels {
        Samples::U8(pixels) => turned(Image { width, height, channels, pixels }, exif).into(),
        Samples::U16(pixels) => turned(Image { width, height, channels, pixels }, exif).into(),
        Samples::F32(pixels) => turned(Image { width, height, channels, pixels }, exif).into(),
    }
}

fn turned<T: Copy>(image: Image<Vec<T>>, exif: u8) -> Image<Vec<T>> {
    let (w, h, c) = (image.width, image.height, image.channels);
    if !(2..=8).contains(&exif) {
        return image;
    }
    let transposed = exif >= 5;
    let (width, height) = if transposed { (h, w) } else { (w, h) };
    let mut pixels = Vec::with_capacity(image.pixels.len());
    for y in 0..height {
        for x in 0..width {
            let (sx, sy) = match exif {
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (y, h - 1 - x),
                7 => (w - 1 - y, h - 1 - x),
                _ => (w - 1 - y, x),
            };
            let at = (sy * w + sx) * c;
            pixels.extend_from_slice(&image.pixels[at..at + c]);
        }
    }
    Image { width, height, channels: c, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3x2 image `abc/def` and what each orientation makes of it.
    #[test]
    fn all_eight() {
        let image = |width, height, text: &str| {
            Image::from(Image { width, height, channels: 1, pixels: text.replace('/', "").into_bytes() })
        };
        for (exif, width, height, want) in [
            (1, 3, 2, "abc/def"),
            (2, 3, 2, "cba/fed"),
            (3, 3, 2, "fed/cba"),
            (4, 3, 2, "def/abc"),
            (5, 2, 3, "ad/be/cf"),
            (6, 2, 3, "da/eb/fc"),
            (7, 2, 3, "fc/eb/da"),
            (8, 2, 3, "cf/be/ad"),
            (0, 3, 2, "abc/def"),
            (9, 3, 2, "abc/def"),
        ] {
            assert_eq!(
                upright(image(3, 2, "abc/def"), exif),
                image(width, height, want),
                "orientation {exif}"
            );
        }
    }
}

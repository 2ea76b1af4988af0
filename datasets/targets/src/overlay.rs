//! Targets and predictions drawn over their image: coloured masks, boxes with names.

use crate::{IGNORE, LabelMap, Object};
use palimpsest_core::data::{Image, Image8};
use palimpsest_core::{Error, Result};

use crate::glyphs::{self, GLYPH};

/// The colour of a class: bits of its number spread over the highest bits of red, green and blue, as
/// Pascal VOC's palette has them. The first is black there; `class + 1` is looked up for objects.
pub fn class_colour(class: u32) -> [u8; 3] {
    let (mut rgb, mut rest) = ([0u8; 3], class);
    for bit in (0..8).rev() {
        for (channel, value) in rgb.iter_mut().enumerate() {
            *value |= ((rest >> channel & 1) as u8) << bit;
        }
        rest >>= 3;
    }
    rgb
}

fn blend(pixel: &mut [u8], colour: [u8; 3], opacity: f32) {
    for (value, colour) in pixel.iter_mut().zip(colour) {
        *value = (f32::from(*value) * (1.0 - opacity) + f32::from(colour) * opacity).round() as u8;
    }
}

/// The image with the colour of each pixel's class over it. What is to be ignored stays as it is.
///
/// # Errors
/// A map of another size.
///
/// # Panics
/// If the image isn't RGB.
pub fn over_labels(image: &Image8, map: &LabelMap, opacity: f32) -> Result<Image8> {
    map.check_size(image.width, image.height)?;
    assert_eq!(image.channels, 3, "an RGB image");
    let mut image = image.clone();
    for (pixel, &label) in image.pixels.chunks_exact_mut(3).zip(&map.labels) {
        if label != IGNORE {
            blend(pixel, class_colour(u32::from(label)), opacity);
        }
    }
    Ok(image)
}

/// The image, each pixel `enlarge` times as wide and high, with objects over it: masks in their
/// class's colour, boxes with `captions` (a name, or a name and a score) of the same length.
///
/// # Errors
/// A mask of another size.
///
/// # Panics
/// If the image isn't RGB.
pub fn over_objects(
    image: &Image8,
    objects: &[Object],
    captions: &[String],
    enlarge: usize,
) -> Result<Image8> {
    assert_eq!(image.channels, 3, "an RGB image");
    let mut image = image.clone();
    for object in objects {
        let Some(mask) = &object.mask else { continue };
        if (mask.width(), mask.height()) != (image.width, image.height) {
            return Err(Error::user(format!(
                "the mask has {}x{} pixels, its image {}x{}",
                mask.width(),
                mask.height(),
                image.width,
                image.height
            ))
            .help("give masks the size of the image"));
        }
        let colour = class_colour(object.class + 1);
        for (pixel, inside) in image.pixels.chunks_exact_mut(3).zip(mask.decode()) {
            if inside == 1 {
                blend(pixel, colour, 0.5);
            }
        }
    }
    let mut canvas = enlarged(&image, enlarge.max(1));
    for (i, object) in objects.iter().enumerate() {
        let colour = class_colour(object.class + 1);
        let caption = captions.get(i).map_or("", String::as_str);
        draw_box(&mut canvas, object, caption, colour, enlarge.max(1) as f64);
    }
    Ok(canvas)
}

fn enlarged(image: &Image8, factor: usize) -> Image8 {
    let (width, height) = (image.width * factor, image.height * factor);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let row = &image.pixels[y / factor * image.width * 3..][..image.width * 3];
        for pixel in row.chunks_exact(3) {
            (0..factor).for_each(|_| pixels.extend_from_slice(pixel));
        }
    }
    Image { width, height, channels: 3, pixels }
}

fn draw_box(canvas: &mut Image8, object: &Object, caption: &str, colour: [u8; 3], factor: f64) {
    let b = object.bounds;
    let at = |v: f64, most: usize| ((v * factor).round().max(0.0) as usize).min(most.saturating_sub(1));
    let (left, right) = (at(b.left, canvas.width), at(b.right() - 1.0 / factor, canvas.width));
    let (top, bottom) = (at(b.top, canvas.height), at(b.bottom() - 1.0 / factor, canvas.height));
    let mut put = |x: usize, y: usize| {
        let at = (y * canvas.width + x) * 3;
        canvas.pixels[at..at + 3].copy_from_slice(&colour);
    };
    (left..=right).for_each(|x| [top, bottom].into_iter().for_each(|y| put(x, y)));
    (top..=bottom).for_each(|y| [left, right].into_iter().for_each(|x| put(x, y)));
    if caption.is_empty() || canvas.width < GLYPH || canvas.height < GLYPH + 2 {
        return;
    }
    // Above the box if there is room, else inside; shifted left where it would leave the image.
    let wide = (caption.chars().count() * GLYPH).min(canvas.width);
    let y = if top > GLYPH { top - GLYPH - 1 } else { (top + 1).min(canvas.height - GLYPH) };
    let x = left.min(canvas.width - wide);
    for row in y..(y + GLYPH + 1).min(canvas.height) {
        let at = (row * canvas.width + x) * 3;
        canvas.pixels[at..at + wide * 3].chunks_exact_mut(3).for_each(|p| p.copy_from_slice(&colour));
    }
    let light = colour.iter().map(|&v| u32::from(v)).sum::<u32>() > 330;
    let ink = if light { [0; 3] } else { [255; 3] };
    glyphs::write(&mut canvas.pixels, canvas.width, (x, y), caption, ink);
}

//! Random erasing (Zhong et al. 2020) as timm has it in its mode `pixel`: a box of normal noise in the
//! normalised image.

use palimpsest_core::random::Philox;

use crate::augment::PixelBox;

/// The share of the area that is erased, and the ratio of height to width.
const AREA: (f64, f64) = (0.02, 1.0 / 3.0);
const RATIO: (f64, f64) = (0.3, 1.0 / 0.3);
/// How often a box is drawn that doesn't fit before none is erased.
const TRIES: usize = 10;

/// Draws the box to erase in an image of `width` x `height`; none where ten draws don't fit.
pub fn draw((width, height): (usize, usize), random: &mut Philox) -> Option<PixelBox> {
    let between = |(low, high): (f64, f64), u: f64| low + (high - low) * u;
    for _ in 0..TRIES {
        let area = between(AREA, random.uniform_f64()) * (width * height) as f64;
        let ratio = between((RATIO.0.ln(), RATIO.1.ln()), random.uniform_f64()).exp();
        let h = (area * ratio).sqrt().round_ties_even() as usize;
        let w = (area / ratio).sqrt().round_ties_even() as usize;
        if w < width && h < height {
            let top = random.below(height - h + 1);
            let left = random.below(width - w + 1);
            return Some(PixelBox { left, top, width: w, height: h });
        }
    }
    None
}

/// Erases a box with this probability; `planes` are [channels, height, width].
pub fn erase(planes: &mut [f32], (width, height): (usize, usize), probability: f64, random: &mut Philox) {
    if random.uniform_f64() >= probability {
        return;
    }
    let Some(at) = draw((width, height), random) else { return };
    for plane in planes.chunks_exact_mut(width * height) {
        for row in plane.chunks_exact_mut(width).skip(at.top).take(at.height) {
            random.fill_normal(&mut row[at.left..at.left + at.width]);
        }
    }
}

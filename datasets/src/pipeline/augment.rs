//! Which part of an image is taken, and whether it is mirrored.
//!
//! Every draw comes from the one Philox stream it is given, so a sample's augmentation depends on
//! nothing but the stream's key.

use palimpsest_core::random::Philox;
pub use palimpsest_core::recipe::Filter;
use palimpsest_core::{Error, Result};

/// What lies outside of an image's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// The image mirrored, the edge pixel not repeated.
    Reflect,
    /// Black.
    Black,
}

/// How a square is cut from an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crop {
    /// A box of random area and aspect ratio, resized to the square: torchvision's
    /// `RandomResizedCrop`.
    RandomResized {
        /// The least and greatest share of the image's area.
        scale: (f64, f64),
        /// The least and greatest aspect ratio (width / height), drawn log-uniformly.
        ratio: (f64, f64),
    },
    /// The shorter side resized to the square's, the edge padded, a square cut at random: the simple
    /// crop of DeiT III, used by PixMIM (4 pixels of padding, reflected), and the pad-and-crop of
    /// small images (4 pixels, black).
    Padded {
        /// Pixels added on each side.
        padding: usize,
        /// With what.
        border: Border,
    },
    /// The shorter side resized to `resize`, the middle square cut out: for evaluation.
    Centre {
        /// The shorter side after resizing; at least the square's.
        resize: usize,
    },
}

/// A crop, a mirroring and a filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augment {
    /// The crop.
    pub crop: Crop,
    /// The probability of a horizontal flip.
    pub flip: f32,
    /// The resampling filter.
    pub filter: Filter,
}

impl Augment {
    /// Random resized crop of at least `least` of the area, ratio 3/4..4/3, half of them flipped,
    /// bilinear.
    pub fn random_resized(least: f64) -> Self {
        let crop = Crop::RandomResized { scale: (least, 1.0), ratio: (3.0 / 4.0, 4.0 / 3.0) };
        Self { crop, flip: 0.5, filter: Filter::Bilinear }
    }

    /// The simple resized crop (PixMIM, DeiT III), half of them flipped, bicubic.
    pub fn simple_resized() -> Self {
        let crop = Crop::Padded { padding: 4, border: Border::Reflect };
        Self { crop, flip: 0.5, filter: Filter::Bicubic }
    }

    /// Pad with 4 black pixels and crop, half of them flipped: for images of the training size.
    pub fn pad_and_crop() -> Self {
        let crop = Crop::Padded { padding: 4, border: Border::Black };
        Self { crop, flip: 0.5, filter: Filter::Bilinear }
    }

    /// Resize the shorter side and take the middle, for evaluation.
    pub fn centre(resize: usize) -> Self {
        Self { crop: Crop::Centre { resize }, flip: 0.0, filter: Filter::Bilinear }
    }

    /// Checks the numbers for a square of `size` pixels.
    ///
    /// # Errors
    /// A number out of range.
    pub fn check(&self, size: usize) -> Result<()> {
        let wrong = |text: String, help: &str| Err(Error::user(text).help(help));
        if !(0.0..=1.0).contains(&self.flip) {
            return wrong(format!("flip = {} is not a probability", self.flip), "use 0 to 1");
        }
        match self.crop {
            Crop::RandomResized { scale: (a, b), .. } if !(a > 0.0 && a <= b && b <= 1.0) => wrong(
                format!("crop scale {a}..{b} is not a range of shares"),
                "use 0 < least <= greatest <= 1",
            ),
            Crop::RandomResized { ratio: (a, b), .. } if !(a > 0.0 && a <= b && b.is_finite()) => {
                wrong(format!("crop ratio {a}..{b} is not a range of ratios"), "use 0 < least <= greatest")
            }
            Crop::Padded { padding, border: Border::Reflect } if padding >= size => wrong(
                format!("{padding} pixels of reflected padding on an image of {size}"),
                "use fewer than the image has",
            ),
            Crop::Centre { resize } if resize < size => wrong(
                format!("a middle square of {size} pixels from an image resized to {resize}"),
                "resize to at least the square's side",
            ),
            _ => Ok(()),
        }
    }

    /// Draws where to cut a `size` square from an image of `width` x `height`.
    pub fn draw(&self, width: usize, height: usize, size: usize, random: &mut Philox) -> Placement {
        let mut placement = match self.crop {
            Crop::RandomResized { scale, ratio } => Placement {
                source: random_resized_box(width, height, scale, ratio, random),
                resized: (size, size),
                window: (0, 0),
                border: Border::Reflect,
                flip: false,
            },
            Crop::Padded { padding, border } => {
                let resized = shorter_side_to(width, height, size);
                let pad = padding as i64;
                let mut offset = |side: usize| random.below(side + 2 * padding - size + 1) as i64 - pad;
                let window = (offset(resized.0), offset(resized.1));
                Placement { source: whole(width, height), resized, window, border, flip: false }
            }
            Crop::Centre { resize } => {
                let resized = shorter_side_to(width, height, resize);
                let middle = |side: usize| ((side - size) as f64 / 2.0).round_ties_even() as i64;
                let window = (middle(resized.0), middle(resized.1));
                Placement {
                    source: whole(width, height),
                    resized,
                    window,
                    border: Border::Black,
                    flip: false,
                }
            }
        };
        placement.flip = self.flip > 0.0 && random.uniform() < self.flip;
        placement
    }
}

/// A box of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelBox {
    /// The left edge.
    pub left: usize,
    /// The top edge.
    pub top: usize,
    /// The width, at least 1.
    pub width: usize,
    /// The height, at least 1.
    pub height: usize,
}

/// What was drawn: take `source`, resize it, take the square at `window`, mirror it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The part of the image.
    pub source: PixelBox,
    /// Its width and height after resizing.
    pub resized: (usize, usize),
    /// Left and top of the square in the resized part; may lie outside by the padding.
    pub window: (i64, i64),
    /// What lies outside.
    pub border: Border,
    /// Whether the square is mirrored left-right.
    pub flip: bool,
}

pub(crate) fn whole(width: usize, height: usize) -> PixelBox {
    PixelBox { left: 0, top: 0, width, height }
}

/// Width and height once the shorter side is `side`; the longer is cut down to whole pixels, as
/// torchvision does.
fn shorter_side_to(width: usize, height: usize, side: usize) -> (usize, usize) {
    if width <= height { (side, side * height / width) } else { (side * width / height, side) }
}

/// The box of torchvision's `RandomResizedCrop.get_params`: ten tries, then the largest middle box
/// whose ratio is in range.
pub fn random_resized_box(
    width: usize,
    height: usize,
    scale: (f64, f64),
    ratio: (f64, f64),
    random: &mut Philox,
) -> PixelBox {
    let area = (width * height) as f64;
    let log_ratio = (ratio.0.ln(), ratio.1.ln());
    for _ in 0..10 {
        let target = area * (scale.0 + (scale.1 - scale.0) * random.uniform_f64());
        let aspect = (log_ratio.0 + (log_ratio.1 - log_ratio.0) * random.uniform_f64()).exp();
        let w = (target * aspect).sqrt().round_ties_even() as usize;
        let h = (target / aspect).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = random.below(height - h + 1);
            let left = random.below(width - w + 1);
            return PixelBox { left, top, width: w, height: h };
        }
    }
    let have = width as f64 / height as f64;
    let (w, h) = if have < ratio.0 {
        (width, (width as f64 / ratio.0).round_ties_even() as usize)
    } else if have > ratio.1 {
        ((height as f64 * ratio.1).round_ties_even() as usize, height)
    } else {
        (width, height)
    };
    // An image one pixel wide must still give a box.
    let (w, h) = (w.clamp(1, width), h.clamp(1, height));
    PixelBox { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h }
}

//! Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) within a batch, as timm's `Mixup` in its mode
//! `batch`: each image is mixed with the one at the mirrored place, all by one share.

use std::ops::Range;

use palimpsest_core::head::{Class, Examples};
use palimpsest_core::random::Philox;

use crate::augment::PixelBox;

/// How batches are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// Mixup's share is drawn from Beta(mixup, mixup); 0 for no mixup.
    pub mixup: f64,
    /// CutMix's from Beta(cutmix, cutmix); 0 for no CutMix.
    pub cutmix: f64,
    /// The probability that a batch is mixed.
    pub probability: f64,
    /// Of mixed batches, the share of CutMix where both are on.
    pub switch: f64,
}

/// What was drawn for a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mix {
    /// Pixels are added: this share of the image itself.
    Blend(f64),
    /// A box is pasted.
    Paste(PixelBox),
}

/// The places of a part of a batch, and behind them those that its images are mixed with, as far as they are not in the
/// part.
pub fn with_mirrored(part: Range<usize>, batch: usize) -> Vec<usize> {
    let mirrored = part.clone().map(|place| batch - 1 - place).filter(|place| !part.contains(place));
    part.clone().chain(mirrored).collect()
}

impl Mixing {
    /// Whether any batch is mixed.
    pub fn is_on(&self) -> bool {
        (self.mixup > 0.0 || self.cutmix > 0.0) && self.probability > 0.0
    }

    /// Draws how to mix a batch of images of `width` x `height`.
    pub fn draw(&self, (width, height): (usize, usize), random: &mut Philox) -> Option<Mix> {
        let (mixup, cutmix) = (self.mixup > 0.0, self.cutmix > 0.0);
        if !(mixup || cutmix) || random.uniform_f64() >= self.probability {
            return None;
        }
        let paste = cutmix && (!mixup || random.uniform_f64() < self.switch);
        if !paste {
            return Some(Mix::Blend(beta(self.mixup, random)));
        }
        let share = beta(self.cutmix, random);
        let middle = (random.below(width), random.below(height));
        Some(Mix::Paste(paste_box((width, height), share, middle)))
    }
}

/// The box around `middle` whose sides are sqrt(1 - share) of the image's, cut to it.
pub fn paste_box((width, height): (usize, usize), share: f64, middle: (usize, usize)) -> PixelBox {
    let ratio = (1.0 - share).sqrt();
    let span = |side: usize, middle: usize| {
        let cut = (side as f64 * ratio) as usize;
        let (low, high) = (middle.saturating_sub(cut / 2), (middle + cut.div_ceil(2)).min(side));
        (low, high - low)
    };
    let ((left, width), (top, height)) = (span(width, middle.0), span(height, middle.1));
    PixelBox { left, top, width, height }
}

impl Mix {
    /// Mixes a batch in place.
    pub fn apply(self, examples: &mut Examples<Class>) {
        let count = examples.batch.len();
        self.apply_to(examples, &(0..count).collect::<Vec<_>>(), count);
    }

    /// Mixes some images of a batch of `count`, which have these places in it; with each the one at the mirrored place
    /// has to be there.
    pub fn apply_to(self, examples: &mut Examples<Class>, places: &[usize], count: usize) {
        let [_, channels, height, width] = examples.batch.shape;
        let image = channels * height * width;
        let share = match self {
            Self::Blend(share) => share,
            // What is left of the image itself, after the box was cut to it.
            Self::Paste(at) => 1.0 - (at.width * at.height) as f64 / (width * height) as f64,
        };
        let mut at = vec![0; count];
        places.iter().enumerate().for_each(|(i, &place)| at[place] = i);
        let partners: Vec<usize> = places.iter().map(|&place| at[count - 1 - place]).collect();
        // Both of a pair at once, as each changes by what the other was.
        for (i, &j) in partners.iter().enumerate().filter(|(i, j)| i < *j) {
            let (front, back) = examples.batch.pixels.normalised_mut().split_at_mut(j * image);
            let (a, b) = (&mut front[i * image..(i + 1) * image], &mut back[..image]);
            match self {
                Self::Blend(share) => {
                    let share = share as f32;
                    for (a, b) in a.iter_mut().zip(b) {
                        (*a, *b) = (*a * share + *b * (1.0 - share), *b * share + *a * (1.0 - share));
                    }
                }
                Self::Paste(at) => {
                    for (a, b) in a.chunks_exact_mut(width * height).zip(b.chunks_exact_mut(width * height)) {
                        for y in at.top..at.top + at.height {
                            let row = y * width + at.left..y * width + at.left + at.width;
                            a[row.clone()].swap_with_slice(&mut b[row]);
                        }
                    }
                }
            }
        }
        let classes: Vec<u32> = examples.targets.iter().map(|target| target.class).collect();
        for (target, &partner) in examples.targets.iter_mut().zip(&partners) {
            let other = classes[partner];
            *target = Class { other, share: share as f32, ..*target };
        }
    }
}

/// A draw from Beta(a, a), by two gamma variates.
pub fn beta(a: f64, random: &mut Philox) -> f64 {
    let (x, y) = (gamma(a, random), gamma(a, random));
    // Both can only vanish for a tiny parameter, where the law has its mass at the ends.
    if x + y > 0.0 { x / (x + y) } else { random.below(2) as f64 }
}

/// A gamma variate of this shape and scale 1 (Marsaglia & Tsang 2000, "A simple method for generating gamma
/// variables"; shapes below 1 by their boost).
fn gamma(shape: f64, random: &mut Philox) -> f64 {
    if shape < 1.0 {
        let boost = random.uniform_f64().powf(1.0 / shape);
        return gamma(shape + 1.0, random) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = f64::from(random.normal_pair().0);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.uniform_f64()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}

//! RandAugment (Cubuk et al. 2020) as timm's `rand-m9-mstd0.5-inc1` has it, which BEiT, MAE and SimMIM
//! fine-tune with: two operations of fifteen, each applied with probability 0.5 at a magnitude drawn around
//! the given one; what an operation does grows with the magnitude.
//!
//! Operations compute what Pillow computes, to the last bit (`datasets/tests/it/rand_augment.rs`), but for
//! geometric ones, which timm resamples bilinearly or bicubically by chance: here always bilinearly.

mod affine;
mod enhance;
mod lookup;
mod operation;

use palimpsest_core::data::Image8;
use palimpsest_core::random::Philox;

pub use affine::rotate;
pub use operation::Operation;

/// The greatest magnitude.
pub const MOST: f64 = 10.0;

/// How images are changed at random.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandAugment {
    /// Operations drawn for each image, with replacement.
    pub operations: usize,
    /// The mean magnitude, 0 to 10.
    pub magnitude: f64,
    /// The standard deviation of the magnitude.
    pub deviation: f64,
    /// The probability that a drawn operation is applied.
    pub probability: f64,
}

impl RandAugment {
    /// timm's numbers: two operations, half of them applied, deviation 0.5.
    pub fn new(magnitude: f64) -> Self {
        Self { operations: 2, magnitude, deviation: 0.5, probability: 0.5 }
    }

    /// Draws operations and applies them to an 8-bit image of 1 or 3 channels.
    pub fn apply(&self, mut image: Image8, random: &mut Philox) -> Image8 {
        for _ in 0..self.operations {
            let operation = Operation::ALL[random.below(Operation::ALL.len())];
            let applied = random.uniform_f64() < self.probability;
            let (normal, _) = random.normal_pair();
            let negative = random.uniform_f64() < 0.5;
            if applied {
                let magnitude = (self.magnitude + self.deviation * f64::from(normal)).clamp(0.0, MOST);
                image = operation.apply(&image, magnitude, negative);
            }
        }
        image
    }
}

//! The order in which samples are packed.

use palimpsest_core::data::Split;
use palimpsest_core::random::{Philox, Stream};

/// Apart from the orders of any epoch, and from draws.
const STEP: u64 = u32::MAX as u64 - 1;

/// The samples of a part in their order: that of the data, or one that the seed draws.
pub(super) fn order(samples: usize, split: Split, shuffle: Option<u64>) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples as u32).collect();
    if let Some(seed) = shuffle {
        Philox::new(seed, Stream::Shuffle, STEP, split as u64).shuffle(&mut order);
    }
    order
}

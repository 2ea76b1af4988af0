//! A few pictures of each class.

use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{Error, Result};

use crate::split::Subset;

/// The draw of a class's pictures is apart from those of an epoch's order.
const STEP: u64 = u32::MAX as u64;

/// At most `shots` samples of each class, drawn by the seed; all of them for 0. A class's draw depends on
/// the seed and its own samples alone.
///
/// # Errors
/// A class with fewer samples: the result would not be what was asked for.
pub fn few_shot(dataset: Arc<dyn Dataset>, shots: usize, seed: u64) -> Result<Arc<dyn Dataset>> {
    if shots == 0 {
        return Ok(dataset);
    }
    let mut of_class: Vec<Vec<u32>> = vec![vec![]; dataset.classes().len()];
    for index in 0..dataset.len() {
        if let Some(samples) = dataset.label(index).and_then(|class| of_class.get_mut(class as usize)) {
            samples.push(index as u32);
        }
    }
    let mut chosen = vec![];
    for (class, samples) in of_class.iter().enumerate() {
        if samples.len() < shots {
            return Err(Error::user(format!(
                "the class `{}` has {} training images, not {shots}",
                dataset.classes()[class],
                samples.len()
            ))
            .at("--shots")
            .mend("ask for fewer"));
        }
        let mut random = Philox::new(seed, Stream::Shuffle, STEP, class as u64);
        chosen.extend(random.choose(samples.len(), shots).into_iter().map(|i| samples[i]));
    }
    chosen.sort_unstable();
    Ok(Arc::new(Subset::new(dataset, chosen)))
}

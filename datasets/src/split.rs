//! A held-out part, where the data bring none for testing.

use std::sync::Arc;

pub use palimpsest_core::data::Split;
use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::{Error, Result};

use crate::reader::Opened;
use crate::spec::DataSpec;

/// Whether the sample of this key (its path relative to the data set's root, with `/`) is held out
/// for testing. It depends on the key alone, so adding files never moves others.
///
/// The key's 64-bit FNV-1a hash, mixed by the finaliser of SplitMix64, is compared with `fraction`.
pub fn is_held_out(key: &str, fraction: f64) -> bool {
    let mut hash = key.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^= hash >> 31;
    ((hash >> 11) as f64) / ((1_u64 << 53) as f64) < fraction
}

/// Some samples of another data set, in their order there.
pub struct Subset {
    inner: Arc<dyn Dataset>,
    chosen: Vec<u32>,
}

impl Subset {
    /// The samples `chosen` of `inner`.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn new(inner: Arc<dyn Dataset>, chosen: Vec<u32>) -> Self {
        assert!(chosen.iter().all(|&i| (i as usize) < inner.len()), "a chosen sample is out of range");
        Self { inner, chosen }
    }

    /// The training or the held-out part of `inner` by [`is_held_out`] of each sample's key.
    ///
    /// # Errors
    /// A fraction outside 0..1, or one that leaves the part empty.
    pub fn held_out(
        inner: Arc<dyn Dataset>,
        split: Split,
        fraction: f64,
        key: impl Fn(usize) -> String,
    ) -> Result<Self> {
        if !(0.0..1.0).contains(&fraction) {
            return Err(Error::user(format!("holdout = {fraction} is not a fraction"))
                .help("use a number from 0 to below 1, such as 0.1"));
        }
        let test = split == Split::Test;
        let chosen: Vec<u32> =
            (0..inner.len()).filter(|&i| is_held_out(&key(i), fraction) == test).map(|i| i as u32).collect();
        if chosen.is_empty() {
            return Err(Error::user(format!(
                "the {split} part is empty: holdout = {fraction} of {} samples",
                inner.len()
            ))
            .help(if test {
                "raise `holdout`, or bring a test part"
            } else {
                "lower `holdout`"
            }));
        }
        Ok(Self::new(inner, chosen))
    }
}

/// A part of data that bring no test part, by [`Subset::held_out`]; with `holdout = 0` the training part is the
/// whole. `key` names a sample.
///
/// # Errors
/// As [`Subset::held_out`].
pub fn hold_out<D: Dataset + 'static>(
    data: D,
    spec: &DataSpec,
    split: Split,
    key: impl Fn(&D, usize) -> String,
) -> Result<Opened> {
    let data = Arc::new(data);
    if split == Split::Train && spec.holdout == 0.0 {
        return Ok(Opened::new(data));
    }
    let subset = Subset::held_out(data.clone(), split, spec.holdout, |i| key(&data, i))?;
    let held_out = format!("held-out {:.0} %", 100.0 * spec.holdout);
    let note =
        format!("there is no test part: {:.0} % are held out, by hash of the path", 100.0 * spec.holdout);
    let part = if split == Split::Test { held_out } else { format!("all but the {held_out}") };
    Ok(Opened::new(Arc::new(subset) as Arc<dyn Dataset>).notes([note]).part(part))
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.chosen.len()
    }
    fn classes(&self) -> &[String] {
        self.inner.classes()
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.inner.label(self.chosen[index] as usize)
    }
    fn load(&self, index: usize) -> Result<Image> {
        self.inner.load(self.chosen[index] as usize)
    }
    fn location(&self, index: usize) -> String {
        self.inner.location(self.chosen[index] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_held_out_share_is_near_the_fraction_and_stable() {
        let share = (0..20_000).filter(|i| is_held_out(&format!("class/{i:05}.jpg"), 0.1)).count();
        // Five standard deviations of a binomial.
        assert!((1_788..=2_212).contains(&share), "{share}");
        // Pinned: a change of the hash would move samples between the parts of existing runs.
        let pinned: Vec<_> = (0..100).filter(|i| is_held_out(&format!("{i}.jpg"), 0.1)).collect();
        assert_eq!(pinned, PINNED);
        // A larger fraction only adds to the held-out part.
        assert!((0..2000).map(|i| i.to_string()).all(|k| !is_held_out(&k, 0.1) || is_held_out(&k, 0.2)));
    }

    const PINNED: [i32; 3] = [35, 58, 80];
}

//! A held-out part, where the data bring none for testing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use palimpsest_core::data::Split;
use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::{Error, Result};

use crate::reader::Opened;
use crate::spec::DataSpec;

/// Whether the sample of this key (its path relative to the data set's root, with `/`) is held out
/// for testing. It depends on the key alone, so adding files never moves others.
///
/// The key's 64-bit FNV-1a hash, mixed by the finaliser of SplitMix64, is compared with `fraction`.
pub fn is_held_out(key: &str, fraction: f64) -> bool {
    rank(key) < fraction
}

/// Where a key is between 0 and 1: those of the lowest ranks are held out.
fn rank(key: &str) -> f64 {
    let mut hash = key.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^= hash >> 31;
    ((hash >> 11) as f64) / ((1_u64 << 53) as f64)
}

/// Which of these ranks are held out: those below the fraction. Of two or more both parts have one at least, so that few
/// images are as good as many: the lowest rank is held out, and the highest stays, however few or many a fraction takes.
fn chosen(ranks: &[f64], fraction: f64) -> Vec<bool> {
    let mut chosen: Vec<bool> = ranks.iter().map(|rank| *rank < fraction).collect();
    if fraction == 0.0 || ranks.len() < 2 {
        return chosen;
    }
    let by_rank = |a: &usize, b: &usize| ranks[*a].total_cmp(&ranks[*b]);
    let (lowest, highest) = ((0..ranks.len()).min_by(by_rank), (0..ranks.len()).max_by(by_rank));
    // Where all keys are the same `min_by` takes the first and `max_by` the last.
    lowest.iter().for_each(|&at| chosen[at] = true);
    highest.iter().for_each(|&at| chosen[at] = false);
    chosen
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
}

/// Some of a list, what they are called, and what to say of it.
pub(crate) struct Held<T> {
    pub(crate) items: Vec<T>,
    /// None where all are taken.
    pub(crate) part: Option<String>,
    pub(crate) note: Option<String>,
}

/// The training or the held-out items by [`is_held_out`] of their keys (paths below the root, with `/`), one at least where
/// there are two; with `holdout = 0` the training part is the whole.
///
/// # Errors
/// A fraction outside 0..1, or one that leaves the part empty.
pub(crate) fn held_out<T>(
    items: Vec<T>,
    spec: &DataSpec,
    split: Split,
    key: impl Fn(&T) -> String,
) -> Result<Held<T>> {
    let fraction = spec.holdout;
    if !(0.0..1.0).contains(&fraction) {
        return Err(Error::user(format!("holdout = {fraction} is not a fraction"))
            .help("use a number from 0 to below 1, such as 0.1"));
    }
    if split == Split::Train && fraction == 0.0 {
        return Ok(Held { items, part: None, note: None });
    }
    let (all, test) = (items.len(), split == Split::Test);
    let ranks: Vec<f64> = items.iter().map(|item| rank(&key(item))).collect();
    let chosen = chosen(&ranks, fraction);
    let items: Vec<T> =
        items.into_iter().zip(chosen).filter(|(_, chosen)| *chosen == test).map(|(item, _)| item).collect();
    if items.is_empty() && !spec.empty_parts {
        return Err(Error::user(format!("the {split} part is empty: holdout = {fraction} of {all} samples"))
            .help(if test { "raise `data.holdout`, or bring a test part" } else { "lower `data.holdout`" }));
    }
    let share = format!("{:.0} %", 100.0 * fraction);
    Ok(Held {
        items,
        note: Some(format!("there is no test part: {share} are held out, by hash of the path")),
        part: Some(if test { format!("held-out {share}") } else { format!("all but the held-out {share}") }),
    })
}

/// A path below `root` as such a key; below the folder of `root`, where that is a file that names images; and below the
/// folder that both have in common, where the images lie beside that. Where the whole lies decides nothing.
pub(crate) fn key_below(root: &Path, path: &Path) -> String {
    let common = root.iter().zip(path).take_while(|(a, b)| a == b).count();
    let below: PathBuf = path.iter().skip(common).collect();
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A part of data that bring no test part: the share `data.holdout` of the samples, by the hash of what `key` names
/// them, one at least where there are two. With a share of 0 the training part is the whole.
///
/// # Errors
/// A fraction outside 0..1, or one that leaves the part empty.
pub fn hold_out<D: Dataset + 'static>(
    data: D,
    spec: &DataSpec,
    split: Split,
    key: impl Fn(&D, usize) -> String,
) -> Result<Opened> {
    let indices: Vec<u32> = (0..data.len() as u32).collect();
    let held = held_out(indices, spec, split, |&index| key(&data, index as usize))?;
    let data: Arc<dyn Dataset> = Arc::new(data);
    let Some(part) = held.part else { return Ok(Opened::new(data)) };
    let subset: Arc<dyn Dataset> = Arc::new(Subset::new(data, held.items));
    Ok(Opened::new(subset).notes(held.note).part(part))
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
    fn name(&self, index: usize) -> Option<String> {
        self.inner.name(self.chosen[index] as usize)
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        self.inner.encoded(self.chosen[index] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_wherever_the_data_lie() {
        for root in ["/a/b", "data"] {
            let root = Path::new(root);
            let image = root.join("images/1.jpg");
            assert_eq!(key_below(root, &image), "images/1.jpg");
            assert_eq!(key_below(&root.join("train.json"), &image), "images/1.jpg");
        }
    }

    /// Wherever the whole lies.
    #[test]
    fn a_key_is_what_is_below_the_common_folder() {
        let key = |root: &str, path: &str| key_below(Path::new(root), Path::new(path));
        assert_eq!(key("/data/set", "/data/set/cats/1.png"), "cats/1.png");
        assert_eq!(key("/data/set/list.json", "/data/set/cats/1.png"), "cats/1.png");
        assert_eq!(key("/data/set/train/annotations.json", "/data/set/images/1.png"), "images/1.png");
        assert_eq!(key("/moved/train/annotations.json", "/moved/images/1.png"), "images/1.png");
    }

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

    /// However few there are, both parts have some; many are parted by the fraction alone.
    #[test]
    fn few_are_held_out_as_well() {
        for count in 2..60 {
            let ranks: Vec<f64> = (0..count).map(|i| rank(&format!("{i}.jpg"))).collect();
            for fraction in [0.001, 0.1, 0.5, 0.999] {
                let chosen = chosen(&ranks, fraction);
                let held = chosen.iter().filter(|chosen| **chosen).count();
                assert!(held > 0 && held < count as usize, "{held} of {count} at {fraction}");
                let plain = ranks.iter().filter(|rank| **rank < fraction).count();
                assert_eq!(held, plain.clamp(1, count as usize - 1));
            }
            assert!(!chosen(&ranks, 0.0).contains(&true));
        }
        assert_eq!([0.1, 0.5].map(|fraction| chosen(&[0.3], fraction)[0]), [false, true]);
    }

    const PINNED: [i32; 3] = [35, 58, 80];
}

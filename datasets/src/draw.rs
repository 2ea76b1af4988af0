//! Which samples of a data set are used.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::head::{ClassSize, ExamplesRequest, PartSize};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{Error, Result};

/// Draws are apart from those of any epoch's order.
const STEP: u64 = u32::MAX as u64;

/// How many samples are used, and the seed that they are drawn by. The same draw serves heads on frozen
/// features and heads that are trained with the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Draw {
    /// The seed.
    pub seed: u64,
    /// Training images of each class; 0 takes all.
    pub shots: usize,
    /// Training and test images at most; 0 takes all.
    pub limits: [usize; 2],
}

impl From<&ExamplesRequest<'_>> for Draw {
    fn from(request: &ExamplesRequest<'_>) -> Self {
        Self { seed: request.seed, shots: request.shots, limits: request.limits }
    }
}

/// Positions in a part of a data set, ascending.
#[derive(Debug, Clone)]
pub struct Positions(Arc<[u32]>);

impl Positions {
    /// All of a part.
    pub fn all(count: usize) -> Self {
        Self((0..count as u32).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each position.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }

    /// The position of the `i`-th.
    pub fn at(&self, i: usize) -> usize {
        self.0[i] as usize
    }

    /// How many images of how many classes they are, and what of the part they are not.
    pub fn size(&self, dataset: &dyn Dataset, rule: Unlabelled) -> PartSize {
        let class = |class: &String| ClassSize { class: class.clone(), images: 0, broken: 0 };
        let mut by_class: Vec<ClassSize> = dataset.classes().iter().map(class).collect();
        for &index in &*self.0 {
            if let Some(size) =
                dataset.label(index as usize).and_then(|class| by_class.get_mut(class as usize))
            {
                size.images += 1;
            }
        }
        let unlabelled = match rule {
            Unlabelled::LeftOut => (0..dataset.len()).filter(|&index| dataset.label(index).is_none()).count(),
            Unlabelled::AsAClass => 0,
        };
        PartSize {
            images: self.len(),
            classes: by_class.iter().filter(|size| size.images > 0).count(),
            of: dataset.len(),
            unlabelled,
            not_drawn: dataset.len() - unlabelled - self.len(),
            by_class,
            ..PartSize::default()
        }
    }
}

/// What becomes of images without a class, where others have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlabelled {
    /// They are not drawn.
    LeftOut,
    /// They are drawn as if they were of one more class.
    AsAClass,
}

impl Draw {
    /// Of images that have a class: [`Draw::shots`] of each, then up to the limit, spread over the classes as
    /// evenly as their sizes allow: as many of each, all of a class that has fewer, and one more of some classes
    /// that the seed draws where it doesn't come out even.
    ///
    /// # Errors
    /// A class with fewer images than shots: the result would not be what was asked for.
    pub fn by_class(&self, dataset: &dyn Dataset, split: Split, rule: Unlabelled) -> Result<Positions> {
        let names = dataset.classes();
        let mut classes: Vec<Vec<u32>> = vec![vec![]; names.len() + 1];
        for index in 0..dataset.len() {
            let class = dataset.label(index).map_or(names.len(), |class| class as usize);
            classes[class.min(names.len())].push(index as u32);
        }
        if rule == Unlabelled::LeftOut {
            classes[names.len()].clear();
        }
        if split == Split::Train && self.shots > 0 {
            // A class's draw depends on the seed and its own samples alone.
            classes.truncate(names.len());
            for (class, samples) in classes.iter_mut().enumerate() {
                if samples.len() < self.shots {
                    return Err(Error::user(format!(
                        "the class `{}` has {} training images, not {}",
                        names[class],
                        samples.len(),
                        self.shots
                    ))
                    .at("--shots")
                    .help("ask for fewer"));
                }
                let mut random = Philox::new(self.seed, Stream::Shuffle, STEP, class as u64);
                *samples = pick(samples, self.shots, &mut random);
            }
        }
        let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
        // Apart from the draws of shots: the part above the class.
        let stream = |class: usize| {
            Philox::new(self.seed, Stream::Shuffle, STEP, (1 + split as u64) << 32 | class as u64)
        };
        if let Some(quotas) = quotas(&sizes, self.limits[split as usize], &mut stream(sizes.len())) {
            for (class, (samples, quota)) in classes.iter_mut().zip(quotas).enumerate() {
                *samples = pick(samples, quota, &mut stream(class));
            }
        }
        let mut positions = classes.concat();
        positions.sort_unstable();
        Ok(Positions(positions.into()))
    }

    /// Of `count` images that have no one class, up to the limit.
    ///
    /// # Errors
    /// Images of each class are asked for.
    pub fn of_any(&self, count: usize, split: Split) -> Result<Positions> {
        self.of_these((0..count as u32).collect(), split)
    }

    /// Of the images at these positions, ascending, which have no one class, up to the limit.
    ///
    /// # Errors
    /// As [`Draw::of_any`].
    pub fn of_these(&self, positions: Vec<u32>, split: Split) -> Result<Positions> {
        if self.shots > 0 {
            return Err(Error::user("images that have no one class can't be counted by class")
                .at("--shots")
                .help("limit the number of training images instead"));
        }
        let limit = self.limits[split as usize];
        if limit == 0 || limit >= positions.len() {
            return Ok(Positions(positions.into()));
        }
        let mut random = Philox::new(self.seed, Stream::Shuffle, STEP, split as u64);
        let mut chosen = pick(&positions, limit, &mut random);
        chosen.sort_unstable();
        Ok(Positions(chosen.into()))
    }
}

/// `count` of the samples; all of them without a draw.
fn pick(samples: &[u32], count: usize, random: &mut Philox) -> Vec<u32> {
    if count == samples.len() {
        return samples.to_vec();
    }
    random.choose(samples.len(), count).into_iter().map(|i| samples[i]).collect()
}

/// How many of each class make `limit` in all; none where all are taken.
fn quotas(sizes: &[usize], limit: usize, random: &mut Philox) -> Option<Vec<usize>> {
    if limit == 0 || limit >= sizes.iter().sum() {
        return None;
    }
    // Water rises over the classes: the smallest are full first.
    let mut ascending = sizes.to_vec();
    ascending.sort_unstable();
    let (mut left, mut level) = (limit, 0);
    for (i, &size) in ascending.iter().enumerate() {
        let open = ascending.len() - i;
        let rise = (size - level).min(left / open);
        level += rise;
        left -= rise * open;
        if level < size {
            break;
        }
    }
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| size.min(level)).collect();
    // What is left is less than the classes that have more.
    let mut open: Vec<usize> = (0..sizes.len()).filter(|&class| sizes[class] > level).collect();
    random.shuffle(&mut open);
    open.iter().take(left).for_each(|&class| quotas[class] += 1);
    Some(quotas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_even_and_make_the_limit() {
        let of = |sizes: &[usize], limit| quotas(sizes, limit, &mut Philox::new(0, Stream::Test, 0, 0));
        assert_eq!(of(&[30; 4], 20), Some(vec![5; 4]));
        assert_eq!(of(&[1, 30, 0, 3], 12), Some(vec![1, 8, 0, 3]), "all of the small ones");
        assert_eq!(of(&[5, 5], 10), None);
        assert_eq!(of(&[5, 5], 0), None);
        for limit in 1..=48 {
            let sizes = [3, 0, 9, 9, 1, 20, 7];
            let quotas = of(&sizes, limit).expect("fewer than all");
            assert_eq!(quotas.iter().sum::<usize>(), limit);
            let open =
                quotas.iter().zip(sizes).filter(|(quota, size)| **quota < *size).map(|(quota, _)| *quota);
            let most = quotas.iter().copied().max().unwrap_or(0);
            assert!(open.clone().all(|quota| quota + 1 >= most), "{limit}: {quotas:?}");
        }
        // Fewer than classes: which ones is the seed's.
        let few = |seed| quotas(&[4; 100], 10, &mut Philox::new(seed, Stream::Test, 0, 0));
        assert_eq!(few(1), few(1));
        assert_ne!(few(1), few(2));
    }
}

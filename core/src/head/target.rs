//! The annotation of an image, by type.

/// The annotation of an image: what a head learns to tell.
pub trait Target: Clone + Send + Sync + 'static {
    /// What the data have to give, for messages: `a class for each image`.
    const NAME: &'static str;
}

/// The class of an image, an index into the data's classes; or, of two images that were mixed, both
/// classes and the first one's share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// The class.
    pub class: u32,
    /// The class of the image that was mixed in; the same where none was.
    pub other: u32,
    /// The share of `class`, 0 to 1; 1 where nothing was mixed in.
    pub share: f32,
}

impl Class {
    /// An image of one class.
    pub fn pure(class: u32) -> Self {
        Self { class, other: class, share: 1.0 }
    }
}

impl Target for Class {
    const NAME: &'static str = "a class for each image";
}

/// Which labels an image has, of those that the data name: several, one or none. A label may be unknown of an image, which
/// then neither trains nor scores it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LabelSet {
    count: usize,
    /// A bit for each label that the image has, then as many words with a bit for each that is known.
    words: Box<[u64]>,
}

const BITS: usize = u64::BITS as usize;

impl LabelSet {
    /// Of `count` labels, none of which is known.
    pub fn unknown(count: usize) -> Self {
        Self { count, words: vec![0; 2 * count.div_ceil(BITS)].into() }
    }

    /// Of `count` labels, none of which the image has.
    pub fn none_of(count: usize) -> Self {
        let mut set = Self::unknown(count);
        (0..count).for_each(|label| set.set(label, Some(false)));
        set
    }

    /// The number of labels that the data name.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the data name no labels.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the image has a label; none where that is unknown.
    ///
    /// # Panics
    /// If there is no such label.
    pub fn get(&self, label: usize) -> Option<bool> {
        assert!(label < self.count, "label {label} of {}", self.count);
        let (word, bit) = (label / BITS, 1u64 << (label % BITS));
        let known = self.words[self.words.len() / 2 + word] & bit != 0;
        known.then(|| self.words[word] & bit != 0)
    }

    /// Says whether the image has a label; none for unknown.
    ///
    /// # Panics
    /// As [`LabelSet::get`].
    pub fn set(&mut self, label: usize, has: Option<bool>) {
        assert!(label < self.count, "label {label} of {}", self.count);
        let (word, bit) = (label / BITS, 1u64 << (label % BITS));
        let half = self.words.len() / 2;
        for (word, on) in [(word, has == Some(true)), (half + word, has.is_some())] {
            if on {
                self.words[word] |= bit;
            } else {
                self.words[word] &= !bit;
            }
        }
    }

    /// What is known of each label, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<bool>> {
        (0..self.count).map(|label| self.get(label))
    }

    /// Whether anything is known of the image.
    pub fn is_known(&self) -> bool {
        self.words[self.words.len() / 2..].iter().any(|&word| word != 0)
    }
}

impl Target for LabelSet {
    const NAME: &'static str = "a set of labels for each image";
}

/// Numbers that are true of an image, in the order of the values that the data name: an age, an angle, a depth. One that is
/// missing neither trains nor scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Values(pub Vec<Option<f32>>);

impl Values {
    /// Whether any of them is known.
    pub fn is_known(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }
}

impl Target for Values {
    const NAME: &'static str = "numbers for each image";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_had_or_not_or_unknown() {
        for count in [1, 63, 64, 65, 130] {
            let mut set = LabelSet::unknown(count);
            assert!(!set.is_known() && set.iter().all(|has| has.is_none()) && set.len() == count);
            let told = |label: usize| [Some(true), Some(false), None][label % 3];
            (0..count).for_each(|label| set.set(label, Some(label % 2 == 0)));
            (0..count).for_each(|label| set.set(label, told(label)));
            assert!(set.is_known());
            assert!(set.iter().enumerate().all(|(label, has)| has == told(label)), "{set:?}");
            assert!(LabelSet::none_of(count).iter().all(|has| has == Some(false)));
        }
        assert!(LabelSet::unknown(0).is_empty() && !LabelSet::none_of(0).is_known());
    }
}

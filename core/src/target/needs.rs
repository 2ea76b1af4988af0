//! What targets are made of beside the clean images.

use std::collections::BTreeSet;

/// What a target asks of a step, told once, when the model is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetNeeds {
    /// Whether it is made of noise on the pixels.
    pub pixel_noise: bool,
    /// The numbers of blocks, from 1, after which it looks at the tokens of the same encoder under other
    /// parameters: a teacher's.
    pub teacher: BTreeSet<usize>,
}

impl TargetNeeds {
    /// Adds what another target needs.
    pub fn merge(&mut self, other: Self) {
        self.pixel_noise |= other.pixel_noise;
        self.teacher.extend(other.teacher);
    }
}

//! What targets are made of beside the clean images.

use std::collections::BTreeSet;

use crate::teacher::{TeacherLayer, TeacherSource};

/// What a target asks of a step, told once, when the model is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetNeeds {
    /// Whether it is made of noise on the pixels.
    pub pixel_noise: bool,
    /// The tokens of teachers that it looks at.
    pub teacher: BTreeSet<TeacherLayer>,
}

impl TargetNeeds {
    /// Whether it looks at tokens under the average of the weights.
    pub fn average(&self) -> bool {
        self.teacher.iter().any(|layer| layer.source == TeacherSource::Average)
    }

    /// Whether it looks at tokens of an encoder from a file.
    pub fn file(&self) -> bool {
        self.teacher.iter().any(|layer| layer.source != TeacherSource::Average)
    }

    /// Adds what another target needs.
    pub fn merge(&mut self, other: Self) {
        self.pixel_noise |= other.pixel_noise;
        self.teacher.extend(other.teacher);
    }
}

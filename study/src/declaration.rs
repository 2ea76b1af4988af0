//! When a comparison was declared, and what was known then: one that is declared after its scores is no test.

use serde::{Deserialize, Serialize};

use crate::file::{Declared, HeadOfStudy};
use crate::plan::Plan;

/// A comparison, and what was known when it was declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// The comparison as it was declared.
    pub comparison: Declared,
    /// The heads that it goes by, with the figure that counts.
    pub heads: Vec<HeadOfStudy>,
    /// Seeds of pre-training.
    pub seeds: Vec<u64>,
    /// When, as a date and time.
    pub date: String,
    /// Trials of the study that had a score then.
    pub measured: usize,
}

impl Declaration {
    fn is_of(&self, other: &Self) -> bool {
        (&self.comparison, &self.heads, &self.seeds) == (&other.comparison, &other.heads, &other.seeds)
    }
}

impl Plan {
    /// Notes which comparisons were declared when: those that the plan before knew, by the same heads and seeds, keep their
    /// date; those that it knew and that are gone are kept as dropped. `measured`: trials that have any score now.
    pub fn declare(&mut self, before: Option<&Self>, date: &str, measured: usize) {
        let known = before.map_or(&[][..], |before| &before.declared);
        let new = |comparison: &Declared| {
            let by = |head: &&HeadOfStudy| {
                comparison.heads.is_empty() || comparison.heads.iter().any(|name| name == head.title())
            };
            let new = Declaration {
                comparison: comparison.clone(),
                heads: self.heads.iter().filter(by).cloned().collect(),
                seeds: self.seeds.clone(),
                date: date.to_owned(),
                measured,
            };
            known.iter().find(|old| old.is_of(&new)).cloned().unwrap_or(new)
        };
        let declared: Vec<Declaration> = self.compare.iter().map(new).collect();
        let gone = known.iter().filter(|old| declared.iter().all(|new| !old.is_of(new)));
        let mut dropped = before.map_or_else(Vec::new, |before| before.dropped.clone());
        // What nobody could have looked at is dropped without a word.
        dropped.extend(gone.filter(|_| measured > 0).cloned());
        (self.declared, self.dropped) = (declared, dropped);
    }
}

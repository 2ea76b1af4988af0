//! What was done to annotations when they were read, counted: nothing is changed silently.

use std::collections::BTreeMap;

/// Counts by what was done, such as `boxes without area were left out`.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    /// One more.
    pub(crate) fn add(&mut self, what: &'static str) {
        self.add_many(what, 1);
    }

    /// Some more.
    pub(crate) fn add_many(&mut self, what: &'static str, count: usize) {
        if count > 0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// A sentence each, of the part of this name.
    pub(crate) fn notes(&self, part: &str) -> Vec<String> {
        let of = if part.is_empty() { String::new() } else { format!("{part}: ") };
        self.0.iter().map(|(what, count)| format!("{of}{count} {what}")).collect()
    }
}

//! The tests of this crate at the levels that their process isn't at: a process takes one.

use palimpsest_conformance::again;

use crate::{Level, level};

#[test]
fn other_levels() {
    for other in Level::ALL.into_iter().filter(|&l| l <= Level::highest() && l != Level::current()) {
        again::with(level::VARIABLE, other.name(), "other_levels");
    }
}

#[test]
fn the_level_is_the_one_that_is_asked_for() {
    assert_eq!(Level::asked_for(), Ok(Level::current()));
}

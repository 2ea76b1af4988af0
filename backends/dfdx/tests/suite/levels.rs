//! The tests of this binary at the levels of instructions that their process isn't at: a process takes one.

use palimpsest_conformance::again;
use palimpsest_kernels::{Level, level};

#[test]
fn other_levels() {
    for other in Level::ALL.into_iter().filter(|&l| l <= Level::highest() && l != Level::current()) {
        again::with(level::VARIABLE, other.name(), "other_levels");
    }
}

//! Sums: their order and their precision.

use palimpsest_conformance::sums;

use crate::device::device;

#[test]
fn the_number_of_threads_changes_no_bit() {
    sums::the_number_of_threads_changes_no_bit(&device());
}

#[test]
fn blocks_are_added_in_f64() {
    sums::long_sums_are_precise(&device(), 2e-4);
}

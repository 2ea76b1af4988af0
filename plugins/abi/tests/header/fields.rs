//! `fields.txt`: each field with the minor version that it came with.

use std::fmt::Write as _;

use palimpsest_abi::{MINOR, layout};

use super::{current, plugins};

#[test]
fn fields_are_listed() {
    let mut due = String::from(
        "# Each field of a struct that crosses: struct, field, offset in bytes, the first ABI that has it.\n\
         # A line never changes and never moves; a new field comes behind its struct's last one.\n",
    );
    for layout in layout::ALL {
        due.push('\n');
        for field in layout.fields {
            let _ = writeln!(due, "{} {} {} 1.{}", layout.name, field.name, field.offset, field.since);
        }
    }
    current(plugins().join("abi/fields.txt"), &due);
}

#[test]
fn fields_are_only_added_behind() {
    for layout in layout::ALL {
        for pair in layout.fields.windows(2) {
            let place = format!("{}.{}", layout.name, pair[1].name);
            assert!(pair[0].offset < pair[1].offset, "{place}: offsets ascend");
            assert!(pair[0].since <= pair[1].since, "{place}: a newer field is in front of an older one");
            assert!(pair[1].since <= MINOR, "{place}: came with a version that isn't there yet");
        }
        // A struct without a head can't grow: its reader doesn't know its size.
        if layout.fields[0].name != "head" {
            assert!(layout.fields.iter().all(|field| field.since == 0), "{} has grown", layout.name);
        }
    }
}

//! The documentation's first strategy, through the symbol that a host looks up.
#![allow(unsafe_code, reason = "reads the exported symbol")]

#[path = "../examples/thirty_lines.rs"]
mod thirty_lines;

use palimpsest_abi::{self as abi, ENTRY_SYMBOL, Entry, Kind, Str, corruption::Table};

unsafe extern "C" {
    static palimpsest_entry: Entry;
}

fn text(text: Str) -> &'static str {
    // SAFETY: the SDK's static texts.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(text.ptr, text.len) }).unwrap()
}

#[test]
fn a_library_tells_what_it_is() {
    assert_eq!(ENTRY_SYMBOL, "palimpsest_entry");
    // SAFETY: a static of this program; its table is a strategy's, as its kind says.
    let (entry, table) = unsafe { (&palimpsest_entry, &*palimpsest_entry.table.cast::<Table>()) };
    assert_eq!((entry.major, entry.minor, entry.kind), (abi::MAJOR, abi::MINOR, Kind::Corruption as u32));
    assert_eq!(entry.unwinds, 1);
    assert!(text(entry.built_with).starts_with("palimpsest-sdk "));
    // SAFETY: a static.
    let description = unsafe { &*table.description };
    assert_eq!(text(description.id), "org.palimpsest.rows");
    // None given, so the crate's.
    assert_eq!(text(description.version), env!("CARGO_PKG_VERSION"));
    assert_eq!(description.capabilities, abi::corruption::UNBIASED | abi::corruption::EQUAL_COUNTS);
    // SAFETY: a static.
    let ratio = unsafe { &*description.parameters };
    assert_eq!((text(ratio.name), text(ratio.doc)), ("ratio", "Share of the rows that are masked."));
    assert_eq!((ratio.default.real, ratio.min, ratio.max), (0.5, 0.0, 1.0));
}

#[test]
fn it_is_short() {
    let lines = include_str!("../examples/thirty_lines.rs").lines();
    assert!(lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count() <= 30);
}

//! The C header is what cbindgen makes of this crate's source, and compiles as C11 and C++17. With
//! `PALIMPSEST_WRITE_HEADER=1` it is written anew:
//!
//! ```text
//! PALIMPSEST_WRITE_HEADER=1 cargo test -p palimpsest-abi --test header
//! ```

mod compile;
mod fields;
mod generate;

use std::path::PathBuf;

fn plugins() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares a committed file with what it must be, or writes it.
fn current(path: PathBuf, due: &str) {
    if std::env::var_os("PALIMPSEST_WRITE_HEADER").is_some() {
        std::fs::write(&path, due).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    for (i, (found, due)) in found.lines().zip(due.lines()).enumerate() {
        assert_eq!(found, due, "{}:{}: write it anew with PALIMPSEST_WRITE_HEADER=1", path.display(), i + 1);
    }
    assert_eq!(found.len(), due.len(), "{}: write it anew with PALIMPSEST_WRITE_HEADER=1", path.display());
}

#[test]
fn header_is_current() {
    current(plugins().join("include/palimpsest.h"), &generate::header());
}

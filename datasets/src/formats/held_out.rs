//! A part of data that bring no test part, for lists of any kind: as [`hold_out`](crate::split::hold_out).

use palimpsest_core::{Error, Result};

use crate::spec::DataSpec;
use crate::split::{Split, is_held_out};

/// Some of a list, what they are called, and what to say of it.
pub(crate) struct Held<T> {
    pub(crate) items: Vec<T>,
    /// None where all are taken.
    pub(crate) part: Option<String>,
    pub(crate) note: Option<String>,
}

/// The training or the held-out items by the hash of their keys (paths below the root, with `/`).
///
/// # Errors
/// A part that is empty.
pub(crate) fn held_out<T>(
    items: Vec<T>,
    spec: &DataSpec,
    split: Split,
    key: impl Fn(&T) -> String,
) -> Result<Held<T>> {
    if split == Split::Train && spec.holdout == 0.0 {
        return Ok(Held { items, part: None, note: None });
    }
    let (all, test) = (items.len(), split == Split::Test);
    let items: Vec<T> =
        items.into_iter().filter(|item| is_held_out(&key(item), spec.holdout) == test).collect();
    if items.is_empty() {
        return Err(Error::user(format!(
            "the {split} part is empty: holdout = {} of {all} samples",
            spec.holdout
        ))
        .help(if test { "raise `holdout`, or bring a test part" } else { "lower `holdout`" }));
    }
    let held_out = format!("held-out {:.0} %", 100.0 * spec.holdout);
    Ok(Held {
        items,
        note: Some(format!("no test part: `{split}` is without or of the {held_out}, by hash of the path")),
        part: Some(if test { held_out } else { format!("all but the {held_out}") }),
    })
}

/// A path below `root` as such a key.
pub(crate) fn key_below(root: &std::path::Path, path: &std::path::Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

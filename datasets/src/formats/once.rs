//! Ids that may be given once.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use palimpsest_core::{Error, Result};

/// Adds a value under an id that must be new: the second would silently take the first one's place.
///
/// # Errors
/// The id is known.
pub(crate) fn insert_once<K: Hash + Eq + Display, V>(
    known: &mut HashMap<K, V>,
    what: &str,
    id: K,
    value: V,
) -> Result<()> {
    match known.entry(id) {
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(value);
            Ok(())
        }
        std::collections::hash_map::Entry::Occupied(taken) => {
            Err(Error::user(format!("the {what} {} is given twice", taken.key())).help("give each id once"))
        }
    }
}

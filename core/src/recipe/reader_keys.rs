//! Which keys the readers of data have: what `[data]` doesn't know may be meant for `[data.reader]`.

use crate::inventory;

/// The keys of `[data.reader]` for a value of `data.name`; none of a name that is no reader's. Who has the readers submits
/// one.
pub struct ReaderKeys(pub fn(&str) -> Vec<&'static str>);

inventory::collect!(ReaderKeys);

/// Whether the reader of this name has the key.
pub(super) fn reader_has(name: &str, key: &str) -> bool {
    inventory::iter::<ReaderKeys>.into_iter().any(|keys| (keys.0)(name).contains(&key))
}

//! The name space of built-ins: everything that registered itself with `inventory`.

use crate::Result;
use crate::corruption::CorruptionEntry;
use crate::corruption::noise::NoiseLawEntry;
use crate::encoder::EncoderEntry;
use crate::error::unknown_name;
use crate::head::TaskHeadEntry;
use crate::objective::ObjectiveEntry;
use crate::restoration::DecoderEntry;
use crate::settings::Field;
use crate::target::TargetEntry;

/// An entry that can be listed and found by name.
pub trait Registered: 'static + Sized {
    /// The name in recipes.
    fn name(&self) -> &'static str;
    /// One line for people.
    fn summary(&self) -> &'static str;
    /// The fields of its table.
    fn fields(&self) -> Vec<Field>;
    /// All entries of this kind.
    fn iterate() -> Box<dyn Iterator<Item = &'static Self>>;
}

macro_rules! registered {
    ($($entry:ty),* $(,)?) => { $(
        impl Registered for $entry {
            fn name(&self) -> &'static str {
                self.name
            }
            fn summary(&self) -> &'static str {
                self.summary
            }
            fn fields(&self) -> Vec<Field> {
                (self.fields)()
            }
            fn iterate() -> Box<dyn Iterator<Item = &'static Self>> {
                Box::new(inventory::iter::<$entry>.into_iter())
            }
        }
    )* };
}

registered!(
    CorruptionEntry,
    NoiseLawEntry,
    EncoderEntry,
    DecoderEntry,
    TargetEntry,
    ObjectiveEntry,
    TaskHeadEntry
);

/// All entries of a kind, by name.
pub fn all<E: Registered>() -> Vec<&'static E> {
    let mut entries: Vec<_> = E::iterate().collect();
    entries.sort_by_key(|entry| entry.name());
    entries
}

/// The entry called `name`.
///
/// # Errors
/// None of that name; the message gives the nearest.
pub fn find<E: Registered>(what: &str, name: &str) -> Result<&'static E> {
    let entries = all::<E>();
    match entries.iter().find(|entry| entry.name() == name) {
        Some(entry) => Ok(entry),
        None => Err(unknown_name(what, name, entries.iter().map(|e| e.name()).collect::<Vec<_>>())),
    }
}

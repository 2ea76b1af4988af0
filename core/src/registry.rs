//! The name space of parts: everything that registered itself with `inventory`, by kind.
//!
//! A kind of part names its entry beside its trait and collects it there
//! (`pub type TargetEntry = Entry<fn(&Section) -> Result<Box<dyn Target>>>`); a part submits one from its own
//! file. So this module knows of no kind, and a new part or kind edits nothing here.

use inventory::Collect;

use crate::Result;
use crate::error::unknown_name;
use crate::settings::Field;

/// A part in the registry. `B` is what it is built by, most often a function of its table.
pub struct Entry<B> {
    /// The name in recipes.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The fields of its table.
    pub fields: fn() -> Vec<Field>,
    /// Builds it from its table.
    pub build: B,
}

/// The [`Entry`] of any kind, for code that serves them all.
pub trait Registered: Collect {
    /// The name in recipes.
    fn name(&self) -> &'static str;
    /// One line for people.
    fn summary(&self) -> &'static str;
    /// The fields of its table.
    fn fields(&self) -> Vec<Field>;
}

impl<B> Registered for Entry<B>
where
    Self: Collect,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn fields(&self) -> Vec<Field> {
        (self.fields)()
    }
}

/// All entries of a kind, by name.
pub fn all<E: Registered>() -> Vec<&'static E> {
    let mut entries: Vec<&E> = inventory::iter::<E>.into_iter().collect();
    entries.sort_by_key(|entry| entry.name());
    entries
}

/// The entry called `name`; `what` names the kind in messages.
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

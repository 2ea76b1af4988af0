//! Many runs: where they lie, what is known of each, and choosing among them.

mod find;
mod index;
mod keys;
mod selection;
mod stamp;
mod tags;

pub(crate) use self::find::find;
pub(crate) use self::index::{Listed, Runs};
pub(crate) use self::keys::Value;
pub(crate) use self::selection::{Condition, Order, select};
pub(crate) use self::stamp::Stamp;
pub(crate) use self::tags::{KEEP, Tags};

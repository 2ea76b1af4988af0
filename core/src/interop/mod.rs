//! Weights under the names of other libraries: what an encoder is exported as, and what published
//! checkpoints are read from.
//!
//! A [`Layout`] says how a library calls each parameter and how it stores it. Both directions use the
//! same list (`names.rs`), so that what is written is what is read. Both are strict with an encoder: a name that is
//! missing, unknown or of another shape is an error, and so is a part that the layout has no place for. Decoders and
//! heads that don't fit are passed over, with a note.

mod architecture;
mod config;
mod described;
mod export;
mod files;
mod form;
mod import;
mod layout;
mod matching;
mod names;
mod recognise;
mod source;
mod vision_towers;

pub use architecture::{Architecture, DecoderShape};
pub use export::{Exported, export};
pub(crate) use import::fitting_settings;
pub use import::{Imported, import};
pub use layout::Layout;
pub use source::Source;

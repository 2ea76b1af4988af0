//! Public data sets: a table of where they are, and how they are fetched.
//!
//! Readers know no addresses and this crate no formats: what it leaves on disk is what the owners
//! distribute. A file is verified before anything of it is unpacked, and an archive is unpacked as if
//! its author were hostile.

mod budget;
pub mod catalog;
mod checksum;
mod entry_path;
mod fetching;
pub mod folders;
mod room;
mod transfer;
mod unpack;
mod unpack_tar;
mod unpack_zip;

pub use catalog::{File, Set, Unpack, catalog, find};
pub use fetching::{Fetched, Plan, fetch, plan};
pub use folders::{default_folder, fetched};
pub use transfer::Progress;

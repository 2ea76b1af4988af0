//! The driver as its user runs it.

mod analyse;
mod backend_libraries;
mod bad_input;
mod compare;
mod conform;
mod cuda;
mod drawing;
mod driver;
mod fetching;
mod heads;
mod interop;
mod survival;

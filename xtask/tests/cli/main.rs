//! The driver as its user runs it.

mod backend_libraries;
mod bad_input;
mod driver;
mod survival;

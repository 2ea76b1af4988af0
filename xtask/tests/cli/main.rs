//! The driver as its user runs it.

mod backend_libraries;
mod bad_input;
mod compare;
mod conform;
mod cuda;
mod driver;
mod heads;
mod survival;

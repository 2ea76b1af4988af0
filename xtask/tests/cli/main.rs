//! The driver as its user runs it.

mod bad_input;
mod driver;
mod survival;

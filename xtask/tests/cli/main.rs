//! The driver as its user runs it.

mod analyse;
mod backend_libraries;
mod bad_input;
mod compare;
mod cuda;
mod drawing;
mod driver;
mod fetching;
mod foretold;
mod heads;
mod interop;
mod run;
mod shells;
mod spellings;
mod survival;
mod validate;

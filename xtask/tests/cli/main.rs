//! The driver as its user runs it.

mod analyse;
mod backend_libraries;
mod bad_input;
mod class_choice;
mod compare;
mod cuda;
mod drawing;
mod driver;
mod fetching;
mod folder;
mod foretold;
mod heads;
mod interop;
mod kills;
mod legs;
mod levels;
mod ranks;
mod run;
mod shells;
mod signals;
mod spellings;
mod study;
mod study_kills;
mod survival;
mod validate;

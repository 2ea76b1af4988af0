//! Engines between processes, as `collective …` shows them to a user.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

mod engines;
mod meeting;
mod workshop;

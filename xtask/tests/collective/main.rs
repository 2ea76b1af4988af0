//! Engines between processes, as `collective …` shows them to a user.

mod engines;
mod meeting;
mod workshop;

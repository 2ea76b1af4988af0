//! Tests of the public interface on files in their true layouts.

mod contact_sheets;
mod decoding;
mod evaluating;
mod files;
mod loading;
mod readers;
mod transforming;

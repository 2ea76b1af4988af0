//! Tests of the public interface on files in their true layouts.

mod augmenting;
mod broken_trees;
mod contact_sheets;
mod decoding;
mod detection;
mod documents;
mod drawing;
mod evaluating;
mod files;
mod filter;
mod fine_grained;
mod fuzzing;
mod joint;
mod layouts;
mod loading;
mod mat_files;
mod mutations;
mod not_files;
mod orientations;
mod parts;
mod reader_keys;
mod readers;
mod scenes;
mod segmentation;
mod stl10;
mod transforming;

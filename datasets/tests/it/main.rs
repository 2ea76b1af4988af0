//! Tests of the public interface on files in their true layouts.

mod augmenting;
mod broken_trees;
mod contact_sheets;
mod decoding;
mod detection;
mod evaluating;
mod files;
mod fine_grained;
mod joint;
mod loading;
mod mat_files;
mod readers;
mod scenes;
mod segmentation;
mod stl10;
mod transforming;

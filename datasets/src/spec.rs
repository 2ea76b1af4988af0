//! Which data are meant, as a recipe says it.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use crate::decode::DecodeOptions;
use crate::scene::SceneSettings;

/// Which data, where, and how to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    /// One of [`list`]'s names.
    pub name: String,
    /// The folder or file; not needed for the embedded sample.
    pub path: Option<PathBuf>,
    /// 1 (grey) or 3 (RGB): what picture files are decoded to. CIFAR and IDX bring their own.
    pub channels: usize,
    /// The share that is held out for testing where the data bring no test part.
    pub holdout: f64,
    /// `idx`: the file of labels, where it isn't beside the pictures under the usual name.
    pub labels: Option<PathBuf>,
    /// `csv`: the classes, in the order of the labels; empty for those that occur.
    pub classes: Vec<String>,
    /// `cifar100`: the 20 coarse classes in place of the 100 fine ones.
    pub coarse: bool,
    /// Pictures with more pixels are refused.
    pub max_pixels: u64,
    /// `scenes`: what is composed.
    pub scenes: SceneSettings,
}

impl Default for DataSpec {
    fn default() -> Self {
        let DecodeOptions { channels, max_pixels } = DecodeOptions::default();
        Self {
            name: "fashion-mnist".to_owned(),
            path: None,
            channels,
            holdout: 0.1,
            labels: None,
            classes: Vec::new(),
            coarse: false,
            max_pixels,
            scenes: SceneSettings::default(),
        }
    }
}

impl DataSpec {
    /// The data set `name`, with the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The data set `name` at `path`, with the defaults.
    pub fn at(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::new(name) }
    }

    pub(crate) fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| {
            Error::user(format!("the data set `{}` needs a path", self.name))
                .mend("set `path` to its folder or file")
        })
    }

    pub(crate) fn decode(&self) -> DecodeOptions {
        DecodeOptions { channels: self.channels, max_pixels: self.max_pixels }
    }
}

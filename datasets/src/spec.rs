//! Which data are meant, as a recipe says it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::settings::Section;
use palimpsest_core::shell::quoted;
use palimpsest_core::{Error, Result};

use crate::decode::DecodeOptions;
use crate::scaling::{Scale, Scaling};

/// Which data, where, and how to read them.
#[derive(Debug, Clone)]
pub struct DataSpec {
    /// The name of a [`ReaderEntry`](crate::ReaderEntry).
    pub name: String,
    /// The folder or file; not needed for the embedded sample.
    pub path: Option<PathBuf>,
    /// 1 (grey), 3 (RGB) or as many as image files have: what they are decoded to. CIFAR and IDX bring their own.
    pub channels: usize,
    /// The page of TIFFs that is read, from 0.
    pub page: usize,
    /// How the numbers of image files become samples.
    pub scaling: Scaling,
    /// The share that is held out for testing where the data bring no test part.
    pub holdout: f64,
    /// Whether a held-out part, or what is left of the other, may have no images: an error else.
    pub empty_parts: bool,
    /// The classes that will be used, all where there are none. A reader gives all images all the same, but need not
    /// refuse what won't be used.
    pub classes: Vec<String>,
    /// The reader's own keys.
    pub reader: Section,
}

impl DataSpec {
    /// The data set `name`, with the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: None,
            channels: DecodeOptions::default().channels,
            page: 0,
            scaling: Scaling::default(),
            holdout: 0.1,
            empty_parts: false,
            classes: Vec::new(),
            reader: Section::new(toml::Table::new(), "data.reader", Arc::default()),
        }
    }

    /// The data set `name` at `path`, with the defaults.
    pub fn at(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::new(name) }
    }

    /// The same, with keys of the reader as TOML.
    ///
    /// # Errors
    /// Text that is no TOML.
    pub fn with_keys(self, text: &str) -> Result<Self> {
        Ok(Self { reader: Section::parse("data.reader", text)?, ..self })
    }

    /// The folder or file.
    ///
    /// # Errors
    /// None was given, or one with wildcards.
    pub fn path(&self) -> Result<&Path> {
        let path = self.path.as_deref().ok_or_else(|| {
            Error::user(format!("the data set `{}` needs a path", self.name))
                .help("set `path` to its folder or file")
        })?;
        let text = path.to_string_lossy();
        if !text.contains(['*', '?']) || path.exists() {
            return Ok(path);
        }
        let folders: Vec<&str> = text.split('/').take_while(|part| !part.contains(['*', '?'])).collect();
        let folder = if folders.is_empty() { ".".to_owned() } else { folders.join("/") };
        Err(Error::user("no such file or folder: wildcards aren't expanded").at(&text).help(format!(
            "give the folder, data.path={}; shards of it are named by braces, as '{folder}/train-{{000..146}}.tar'",
            quoted(&folder)
        )))
    }

    /// For data that are part of the program.
    ///
    /// # Errors
    /// A path was given, which would not be read.
    pub fn no_path(&self) -> Result<()> {
        match &self.path {
            None => Ok(()),
            Some(path) => Err(Error::user(format!(
                "the data set `{}` is part of the program, and nothing is read from {}",
                self.name,
                path.display()
            ))
            .help("name the reader of these files too, as data.name=folder")),
        }
    }

    /// For data whose samples are always of 8 bits, and that have no pages.
    ///
    /// # Errors
    /// A key that would not be looked at.
    pub fn of_8_bits(&self) -> Result<()> {
        let key = match self.scaling {
            Scaling { scale: Scale::Range(..), .. } => "data.range",
            Scaling { scale: Scale::Percentiles(..), .. } => "data.percentiles",
            Scaling { nan: Some(_), .. } => "data.nan",
            _ if self.page > 0 => "data.page",
            _ => return Ok(()),
        };
        Err(Error::user(format!("the images of `{}` are 8-bit, and {key} is for image files", self.name))
            .help("leave the key out"))
    }

    /// How image files of at most `max_pixels` are decoded.
    pub fn decode(&self, max_pixels: u64) -> DecodeOptions {
        let &Self { channels, page, scaling, .. } = self;
        DecodeOptions { channels, max_pixels, page, scaling, ..DecodeOptions::default() }
    }
}

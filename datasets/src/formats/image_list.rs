//! Images by a list of paths, with or without a class each: what most distributed sets come down to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::{Error, Result};

use crate::decode::{DecodeOptions, decode_file};

/// Images under a folder, in a list's order.
#[derive(Debug)]
pub struct ImageList {
    root: PathBuf,
    files: Vec<Box<str>>,
    /// The files so far, while the list is filled.
    known: HashSet<Box<str>>,
    labels: Vec<u32>,
    classes: Vec<String>,
    options: DecodeOptions,
}

impl ImageList {
    /// An empty list of images under `root`.
    pub fn new(root: impl Into<PathBuf>, classes: Vec<String>, options: DecodeOptions) -> Self {
        let (files, labels, known) = (Vec::new(), Vec::new(), HashSet::new());
        Self { root: root.into(), files, known, labels, classes, options }
    }

    /// Adds an image by its path below the root.
    ///
    /// # Errors
    /// No such file, one that is in the list already, or a class out of range.
    pub fn push(&mut self, file: &str, label: u32) -> Result<()> {
        if label as usize >= self.classes.len() {
            return Err(Error::user(format!("unknown class {label} of {}", self.classes.len()))
                .help("copy the list again as it is distributed"));
        }
        if !self.root.join(file).is_file() {
            return Err(Error::user(format!("no such file `{}`", self.root.join(file).display()))
                .help("unpack the images of the set too"));
        }
        if !self.known.insert(file.into()) {
            return Err(
                Error::user(format!("the image `{file}` is listed twice")).help("list each image once")
            );
        }
        self.files.push(file.into());
        self.labels.push(label);
        Ok(())
    }

    /// The list, if it has images.
    ///
    /// # Errors
    /// None.
    pub(crate) fn filled(mut self, location: &Path) -> Result<Self> {
        self.known = HashSet::new();
        if self.files.is_empty() {
            return Err(Error::user("the list has no images of this part")
                .at(location.display())
                .help("copy it again as it is distributed"));
        }
        Ok(self)
    }
}

impl Dataset for ImageList {
    fn len(&self) -> usize {
        self.files.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        Some(self.labels[index])
    }
    fn load(&self, index: usize) -> Result<Image> {
        decode_file(&self.root.join(&*self.files[index]), self.options)
    }
    fn location(&self, index: usize) -> String {
        self.root.join(&*self.files[index]).display().to_string()
    }
    fn name(&self, index: usize) -> Option<String> {
        Some(self.files[index].to_string())
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        Some(Encoded::File(self.root.join(&*self.files[index])))
    }
}

//! Images with a label map each.

use std::path::{Path, PathBuf};

use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{IGNORE, LabelMap, SegmentationData};

use crate::decode::{DecodeOptions, decode_file, is_image};
use crate::label_png::read_labels;

/// Which class a stored label means; none for labels that can't be there.
pub type Meaning = [Option<u8>; 256];

/// Stored labels 0..`classes` are the classes, 255 is to be ignored.
pub fn plain_labels(classes: usize) -> Meaning {
    std::array::from_fn(|label| {
        (label < classes && label < usize::from(IGNORE) || label == usize::from(IGNORE))
            .then_some(label as u8)
    })
}

/// Images and label maps in files.
#[derive(Debug)]
pub struct PairedFiles {
    pairs: Vec<[PathBuf; 2]>,
    classes: Vec<String>,
    meaning: Meaning,
    options: DecodeOptions,
}

impl PairedFiles {
    /// The given pairs of image and label map.
    ///
    /// # Errors
    /// A file that is missing, no pairs, more classes than labels of 8 bits.
    pub fn new(
        location: &Path,
        pairs: Vec<[PathBuf; 2]>,
        classes: Vec<String>,
        meaning: Meaning,
        options: DecodeOptions,
    ) -> Result<Self> {
        if pairs.is_empty() {
            return Err(Error::user("no images").at(location.display()).help("unpack the set here"));
        }
        if classes.len() > usize::from(IGNORE) {
            return Err(Error::user(format!("{} classes", classes.len()))
                .at(location.display())
                .help(format!("use at most {IGNORE}, as labels have 8 bits")));
        }
        for [image, labels] in &pairs {
            if !image.is_file() {
                return Err(Error::user("no such image").at(image.display()).help("unpack the images too"));
            }
            if !labels.is_file() {
                return Err(Error::user(format!("no such label map for `{}`", image.display()))
                    .at(labels.display())
                    .help("unpack the label maps too, or remove the image"));
            }
        }
        Ok(Self { pairs, classes, meaning, options })
    }

    /// Every image of `images`, in the order of their names, with the PNG of its name in `labels`.
    ///
    /// # Errors
    /// As [`PairedFiles::new`]; a folder that can't be read.
    pub fn of_folders(
        images: &Path,
        labels: &Path,
        classes: Vec<String>,
        meaning: Meaning,
        options: DecodeOptions,
    ) -> Result<Self> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(images).map_err(|e| Error::io(images, &e))? {
            let path = entry.map_err(|e| Error::io(images, &e))?.path();
            let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            if is_image(&path) && !hidden {
                files.push(path);
            }
        }
        files.sort_unstable();
        let map_of = |file: &Path| labels.join(file.with_extension("png").file_name().unwrap_or_default());
        let pairs = files.into_iter().map(|file| [file.clone(), map_of(&file)]).collect();
        Self::new(images, pairs, classes, meaning, options)
    }

    fn labels(&self, index: usize) -> Result<LabelMap> {
        let path = &self.pairs[index][1];
        let mut map = read_labels(path, self.options.max_pixels)?;
        for at in 0..map.labels.len() {
            let stored = map.labels[at];
            map.labels[at] = self.meaning[usize::from(stored)].ok_or_else(|| {
                Error::user(format!(
                    "the pixel at column {}, row {} has the label {stored}, an unknown class of {}",
                    at % map.width,
                    at / map.width,
                    self.classes.len()
                ))
                .at(path.display())
                .help(format!(
                    "correct the label map, name more classes, or use {IGNORE} for pixels to ignore"
                ))
            })?;
        }
        Ok(map)
    }
}

impl Dataset for PairedFiles {
    fn len(&self) -> usize {
        self.pairs.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn load(&self, index: usize) -> Result<Image> {
        decode_file(&self.pairs[index][0], self.options)
    }
    fn location(&self, index: usize) -> String {
        self.pairs[index][0].display().to_string()
    }
}

impl SegmentationData for PairedFiles {
    fn sample(&self, index: usize) -> Result<(Image, LabelMap)> {
        let (image, map) = (self.load(index)?, self.labels(index)?);
        map.check_size(image.width, image.height).map_err(|e| e.at(self.pairs[index][1].display()))?;
        Ok((image, map))
    }
}

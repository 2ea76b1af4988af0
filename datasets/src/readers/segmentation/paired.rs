//! Images with a label map each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{IGNORE, LabelMap, SegmentationData};
use rayon::prelude::*;

use crate::decode::{DecodeOptions, Exif, decode_file};
use crate::formats::evenly::{evenly, of_all};
use crate::formats::turned::{Mismatch, TargetImages, note_on_turned};
use crate::image_header::ImageHeader;
use crate::label_png::read_labels;
use crate::reader::Opened;

/// Which class a stored label means; none for labels that can't be there.
pub type Meaning = [Option<u8>; 256];

/// Stored labels 0..`classes` are the classes, 255 is to be ignored.
pub fn plain_labels(classes: usize) -> Meaning {
    std::array::from_fn(|label| {
        (label < classes && label < usize::from(IGNORE) || label == usize::from(IGNORE))
            .then_some(label as u8)
    })
}

/// What helps where a map has a label that means nothing, if its reader has no keys for it.
const CORRECT: &str = "correct the label map, or use 255 for pixels to ignore";

/// Images and label maps in files.
#[derive(Debug)]
pub struct PairedFiles {
    pairs: Vec<[PathBuf; 2]>,
    classes: Vec<String>,
    meaning: Meaning,
    options: DecodeOptions,
    advice: &'static str,
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
        Ok(Self { pairs, classes, meaning, options, advice: CORRECT })
    }

    /// The same, with what helps where a map has a label that means nothing.
    #[must_use]
    pub(crate) fn advising(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }

    /// The pairs as an opened part; what some of its maps show becomes notes.
    pub(crate) fn opened(self, part: String) -> Opened<dyn SegmentationData> {
        let mut notes: Vec<String> = self.note_on_labels(&part).into_iter().collect();
        let file = |i: usize| {
            let [image, map] = &self.pairs[i];
            (&**image, ImageHeader::of_file(map).map(|header| header.stored))
        };
        let (count, exif) = (self.pairs.len(), self.options.exif);
        notes.extend(note_on_turned(TargetImages { part: &part, count, exif, targets: "label maps" }, file));
        Opened::new(Arc::new(self) as Arc<dyn SegmentationData>).notes(notes).part(part)
    }

    /// What is odd about the labels in some of the maps: classes that no map has, much that is ignored.
    fn note_on_labels(&self, part: &str) -> Option<String> {
        let stored = stored_labels(&self.pairs, self.options.max_pixels);
        let (mut pixels, mut ignored) = (vec![0u64; self.classes.len()], 0u64);
        for (label, &count) in stored.iter().enumerate() {
            match self.meaning[label] {
                Some(IGNORE) => ignored += count,
                Some(class) => pixels[usize::from(class)] += count,
                None => {}
            }
        }
        let all: u64 = stored.iter().sum();
        let absent: Vec<String> = (pixels.iter().zip(&self.classes).enumerate())
            .filter(|(_, (count, _))| **count == 0)
            .map(|(class, (_, name))| {
                let label = self.meaning.iter().position(|meaning| *meaning == Some(class as u8));
                format!("{} ({name})", label.unwrap_or(class))
            })
            .collect();
        // A few of many classes are rare, and a border that isn't labelled is usual.
        let much = ignored * 10 >= all.max(1);
        if all == 0 || !much && absent.is_empty() {
            return None;
        }
        let of = if part.is_empty() { String::new() } else { format!("{part}: ") };
        let mut told = vec![];
        if let [first, others @ ..] = &absent[..] {
            let more = match others.len() {
                0 => format!("label {first} occurs"),
                1..=4 => format!("the labels {first}, {} occur", others.join(", ")),
                _ => format!("the label {first} and {} more occur", others.len()),
            };
            told.push(format!("{more} in no map"));
        }
        if much {
            let labels: Vec<String> = (0..256)
                .filter(|label| self.meaning[*label] == Some(IGNORE) && stored[*label] > 0)
                .map(|label| label.to_string())
                .collect();
            let share = 100.0 * ignored as f64 / all as f64;
            told.push(format!("{share:.0} % of the pixels are ignored (label {})", labels.join(", ")));
        }
        // Masks of two values are often 0 and 255.
        let binary = self.classes.len() == 2 && absent.len() == 1 && stored[255] > 0;
        let help = match binary && self.advice != CORRECT {
            true => "; data.reader.labels=[0,255] makes 255 a class",
            false => "",
        };
        Some(format!("{of}in {} {}{help}", of_all(self.pairs.len(), "label maps"), told.join(", and ")))
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
                .help(self.advice)
            })?;
        }
        Ok(map)
    }
}

/// How many pixels have which stored label, in some of the maps. Broken ones are found when they are loaded.
pub(crate) fn stored_labels(pairs: &[[PathBuf; 2]], max_pixels: u64) -> [u64; 256] {
    let counts = evenly(pairs.len())
        .into_par_iter()
        .filter_map(|i| read_labels(&pairs[i][1], max_pixels).ok())
        .map(|map| map.histogram().map(|count| count as u64));
    counts.reduce(|| [0; 256], |a, b| std::array::from_fn(|label| a[label] + b[label]))
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
    fn name(&self, index: usize) -> Option<String> {
        self.pairs[index][0].file_name().map(|name| name.to_string_lossy().into_owned())
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        // Whoever decodes the file turns it upright.
        (self.options.exif == Exif::Apply).then(|| Encoded::File(self.pairs[index][0].clone()))
    }
}

impl SegmentationData for PairedFiles {
    fn sample(&self, index: usize) -> Result<(Image, LabelMap)> {
        let (image, map) = (self.load(index)?, self.labels(index)?);
        let [path, map_path] = &self.pairs[index];
        let mismatch = Mismatch {
            path,
            have: (image.width, image.height),
            told: (map.width, map.height),
            exif: self.options.exif,
        };
        map.check_size(image.width, image.height)
            .map_err(|error| mismatch.explain(error).at(map_path.display()))?;
        Ok((image, map))
    }
}

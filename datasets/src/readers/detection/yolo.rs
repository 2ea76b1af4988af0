//! YOLO's text files: a line an object, its class's number, then either centre and size of the box or
//! the corners of its outline, in shares of the image. Sets of poses (`kpt_shape` in data.yaml) have box and
//! keypoints, of which the box is read.

use std::collections::HashSet;
use std::path::Path;

use palimpsest_core::{Error, Result};
use palimpsest_targets::BoundingBox;
use palimpsest_targets::DetectionData;

use super::annotated::{AnnotatedImage, AnnotatedList, Annotation, Shape, Unit, fitted};
use super::yolo_files::{Found, class_names, find, label_of};
use super::yolo_yaml::{Description, stray_labels};
use crate::formats::image_files::folder_of;
use crate::formats::shown::shown;
use crate::formats::tally::Tally;
use crate::formats::target_files::NamedTargetFiles;
use crate::formats::text_lines::{Line, TextLines};
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, held_out, key_below};

/// How far a box may reach over the edge without being counted, as a share: files have six decimals, and tools
/// round.
const SLACK: f64 = 0.005;
/// How far a number may be outside of 0..1, as Ultralytics has it.
const TOLERANCE: f64 = 0.01;

/// What the lines of a set are.
struct Form<'a> {
    classes: &'a [String],
    /// How many numbers of keypoints follow a box.
    keypoint_numbers: Option<usize>,
}

impl Form<'_> {
    fn read_file(&self, text: &Path, tally: &mut Tally) -> Result<Vec<Annotation>> {
        let mut annotations = Vec::new();
        let mut known = HashSet::new();
        for line in TextLines::read(text)?.lines() {
            let (class, numbers) = self.numbers(&line).map_err(|e| line.at(e))?;
            let bits: Vec<u64> = numbers.iter().map(|number| number.to_bits()).collect();
            if !known.insert((class, bits)) {
                tally.add("lines are equal to another of their file and were left out");
                continue;
            }
            annotations.extend(self.annotation(class, numbers, tally).map_err(|e| line.at(e))?);
        }
        Ok(annotations)
    }

    fn numbers(&self, line: &Line<'_>) -> Result<(u32, Vec<f64>)> {
        let form = || {
            let error = Error::user(format!("`{}` is no line of numbers", shown(line.text)));
            match self.keypoint_numbers {
                Some(_) => error.help("write CLASS X Y WIDTH HEIGHT and the keypoints of `kpt_shape`"),
                None => error.help(
                    "write CLASS X Y WIDTH HEIGHT, or CLASS X Y X Y X Y …; with keypoints, tell `kpt_shape` in \
                     data.yaml",
                ),
            }
        };
        let numbers: Vec<f64> = line
            .text
            .split_whitespace()
            .map(|field| field.parse().map_err(|_| form()))
            .collect::<Result<_>>()?;
        let Some((&class, numbers)) = numbers.split_first() else { return Err(form()) };
        // Programs that keep all in one array write `0.0`.
        if class.fract() != 0.0 || class < 0.0 || class >= self.classes.len() as f64 {
            return Err(Error::user(format!("unknown class {class} of {}", self.classes.len()))
                .help("name more classes, or correct it"));
        }
        let sound = match self.keypoint_numbers {
            Some(more) => numbers.len() == 4 + more,
            None => numbers.len() == 4 || numbers.len() >= 6 && numbers.len().is_multiple_of(2),
        };
        if !sound {
            return Err(form());
        }
        let taken = if self.keypoint_numbers.is_some() { 4 } else { numbers.len() };
        Ok((class as u32, numbers[..taken].to_vec()))
    }

    fn annotation(&self, class: u32, numbers: Vec<f64>, tally: &mut Tally) -> Result<Option<Annotation>> {
        if let Some(outside) =
            numbers.iter().find(|number| **number < -TOLERANCE || **number > 1.0 + TOLERANCE)
        {
            return Err(Error::user(format!("{outside} is outside of the image"))
                .help("write shares of the image's sides, from 0 to 1"));
        }
        let (bounds, shape) = match numbers[..] {
            [x, y, width, height] => {
                (BoundingBox::new(x - width / 2.0, y - height / 2.0, width, height), Shape::Unknown)
            }
            _ => {
                let span = |axis: usize| {
                    let values = || numbers.iter().skip(axis).step_by(2).copied();
                    (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
                };
                let ((left, right), (top, bottom)) = (span(0), span(1));
                if let Some(wrong) = numbers.iter().find(|number| !number.is_finite()) {
                    return Err(Error::user(format!("{wrong} is no coordinate")).help("correct it"));
                }
                (BoundingBox::from_edges(left, top, right, bottom), Shape::Polygons(vec![numbers]))
            }
        };
        let bounds = fitted(bounds, (1.0, 1.0), SLACK, tally)?;
        Ok(bounds.map(|bounds| Annotation { class, bounds, shape, area: None, crowd: false, ignore: false }))
    }
}

/// `yolo`
pub struct Yolo;

impl Reader<dyn DetectionData> for Yolo {
    type Settings = NamedTargetFiles;

    fn open(keys: &NamedTargetFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
        let path = spec.path()?;
        let description = Description::find(path)?;
        let root = if path.is_file() { folder_of(path) } else { path };
        let classes = match &keys.classes[..] {
            [] => class_names(root, description.as_ref())?,
            known => known.to_vec(),
        };
        let keypoint_numbers = description.as_ref().map(Description::keypoint_numbers).transpose()?.flatten();
        let form = Form { classes: &classes, keypoint_numbers };
        let Found { images, part, whole, mut notes } = find(root, description.as_ref(), split)?;
        let labels: Vec<_> = images.iter().map(|image| label_of(image)).collect();
        let mut tally = Tally::default();
        tally.add_many("text files have no image", stray_labels(&labels));
        let mut listed = HashSet::new();
        let (mut images, mut part) = {
            let mut read = Vec::with_capacity(images.len());
            for (path, text) in images.into_iter().zip(labels) {
                if !listed.insert(path.clone()) {
                    tally.add("images are listed twice and were taken once");
                    continue;
                }
                let annotations = if text.is_file() {
                    form.read_file(&text, &mut tally)?
                } else {
                    tally.add("images have no text file, so no objects");
                    vec![]
                };
                read.push(AnnotatedImage { path, size: None, annotations });
            }
            (read, part)
        };
        if whole {
            let held = held_out(images, spec, split, |image| key_below(root, &image.path))
                .map_err(|e| e.at(root.display()))?;
            (images, part) = (held.items, held.part.unwrap_or(part));
            notes.extend(held.note);
        }
        let list = AnnotatedList::new(images, classes, Unit::Shares, keys.decode(spec));
        Ok(list.opened(part, &tally).notes(notes))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::detection::<Yolo>(
        "yolo",
        "YOLO's text files: boxes or polygons relative to the image, boxes of poses; detection",
        "images/{train,val|test}, labels/{train,val|test}/*.txt, or {train,val|test}/{images,labels}; classes.txt, \
         obj.names or data.yaml, whose paths are followed; or the .yaml itself",
    )
}

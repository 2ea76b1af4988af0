//! Data sets by name, as a recipe gives them.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::{Error, Result, registry};
use palimpsest_targets::{DetectionData, LabelSetData, SegmentationData, ValueData};

use crate::reader::{Opened, ReaderEntry};
use crate::spec::DataSpec;

/// Opens a part of a data set.
///
/// # Errors
/// An unknown name, an unknown key of the reader, a path that is missing or has another layout, broken files of
/// fixed format. Broken images are found only when they are loaded.
pub fn open(spec: &DataSpec, split: Split) -> Result<Arc<dyn Dataset>> {
    open_with_notes(spec, split).map(|opened| opened.dataset)
}

/// As [`open`], with what the user may want to know.
///
/// # Errors
/// As [`open`].
pub fn open_with_notes(spec: &DataSpec, split: Split) -> Result<Opened> {
    reader(&spec.name)?.open(spec, split)
}

/// Opens a part of a data set with a class for each pixel.
///
/// # Errors
/// As [`open`]; data without label maps.
pub fn open_segmentation(spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
    match reader(&spec.name)?.segmentation {
        Some(open) => open(&spec.reader, spec, split),
        None => Err(without("label maps", &spec.name, |reader| reader.segmentation.is_some())),
    }
}

/// Opens a part of a data set with objects.
///
/// # Errors
/// As [`open`]; data without objects.
pub fn open_detection(spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
    match reader(&spec.name)?.detection {
        Some(open) => open(&spec.reader, spec, split),
        None => Err(without("objects", &spec.name, |reader| reader.detection.is_some())),
    }
}

/// Opens a part of a data set with a set of labels for each image.
///
/// # Errors
/// As [`open`]; data without label sets.
pub fn open_label_sets(spec: &DataSpec, split: Split) -> Result<Opened<dyn LabelSetData>> {
    match reader(&spec.name)?.label_sets {
        Some(open) => open(&spec.reader, spec, split),
        None => Err(without("label sets", &spec.name, |reader| reader.label_sets.is_some())),
    }
}

/// Opens a part of a data set with numbers for each image.
///
/// # Errors
/// As [`open`]; data without numbers.
pub fn open_values(spec: &DataSpec, split: Split) -> Result<Opened<dyn ValueData>> {
    match reader(&spec.name)?.values {
        Some(open) => open(&spec.reader, spec, split),
        None => Err(without("numbers", &spec.name, |reader| reader.values.is_some())),
    }
}

/// Whether the data set of this name has a class for each pixel.
pub fn gives_label_maps(name: &str) -> bool {
    reader(name).is_ok_and(|reader| reader.segmentation.is_some())
}

/// Whether the data set of this name has objects.
pub fn gives_objects(name: &str) -> bool {
    reader(name).is_ok_and(|reader| reader.detection.is_some())
}

fn without(what: &str, name: &str, has: impl Fn(&ReaderEntry) -> bool) -> Error {
    let all = registry::all::<ReaderEntry>();
    let have: Vec<&str> = all.iter().filter(|reader| has(reader)).map(|reader| reader.name).collect();
    Error::user(format!("the data set `{name}` has no {what}"))
        .help(format!("use one of: {}", palimpsest_core::error::listed(&have)))
}

fn reader(name: &str) -> Result<&'static ReaderEntry> {
    registry::find("data set", name)
}

//! Data sets by name, as a recipe gives them.

use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use crate::reader::{DatasetInfo, Opened, OpenedDetection, OpenedSegmentation, Reader};
use crate::spec::DataSpec;
use crate::split::Split;
use crate::{detection, fine_grained, pictures, scene, segmentation};

/// All readers, by subject.
fn readers() -> impl Iterator<Item = &'static Reader> + Clone {
    pictures::READERS
        .iter()
        .chain(&fine_grained::READERS)
        .chain(&segmentation::READERS)
        .chain(&detection::READERS)
        .chain(&scene::READERS)
}

/// The data sets that can be opened.
pub fn list() -> Vec<DatasetInfo> {
    readers().map(|reader| reader.info).collect()
}

/// Opens a part of a data set.
///
/// # Errors
/// An unknown name, a path that is missing or has another layout, broken files of fixed format.
/// Broken pictures are found only when they are loaded.
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
pub fn open_segmentation(spec: &DataSpec, split: Split) -> Result<OpenedSegmentation> {
    let have = readers().filter(|r| r.segmentation.is_some()).map(|r| r.info.name);
    match reader(&spec.name)?.segmentation {
        Some(open) => open(spec, split),
        None => Err(without("label maps", &spec.name, have)),
    }
}

/// Opens a part of a data set with objects.
///
/// # Errors
/// As [`open`]; data without objects.
pub fn open_detection(spec: &DataSpec, split: Split) -> Result<OpenedDetection> {
    let have = readers().filter(|r| r.detection.is_some()).map(|r| r.info.name);
    match reader(&spec.name)?.detection {
        Some(open) => open(spec, split),
        None => Err(without("objects", &spec.name, have)),
    }
}

/// Whether the data set of this name has a class for each pixel.
pub fn gives_label_maps(name: &str) -> bool {
    readers().any(|r| r.info.name == name && r.segmentation.is_some())
}

/// Whether the data set of this name has objects.
pub fn gives_objects(name: &str) -> bool {
    readers().any(|r| r.info.name == name && r.detection.is_some())
}

fn without(what: &str, name: &str, have: impl Iterator<Item = &'static str>) -> Error {
    let have: Vec<&str> = have.collect();
    Error::user(format!("the data set `{name}` has no {what}"))
        .mend(format!("use one of: {}", have.join(", ")))
}

fn reader(name: &str) -> Result<&'static Reader> {
    readers()
        .find(|reader| reader.info.name == name)
        .ok_or_else(|| unknown_name("data set", name, readers().map(|reader| reader.info.name)))
}

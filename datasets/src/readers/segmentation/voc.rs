//! Semantic segmentation of Pascal VOC (Everingham et al. 2010): palette PNGs, 255 is ignored.

use std::path::Path;
use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_targets::SegmentationData;

use super::paired::{PairedFiles, plain_labels};
use crate::decode::DecodeOptions;
use crate::detection::voc_xml::Voc;
use crate::detection::voc_xml::{CLASSES, voc_root};
use crate::formats::text_lines::TextLines;
use crate::reader::{NamedImageFiles, Opened, Reader};
use crate::spec::DataSpec;
use crate::split::Split;

/// Opens `train`, or `val` as the test part: 1,464 and 1,449 images in VOC 2012, 21 classes with
/// the background first.
///
/// # Errors
/// A list, image or label map that is missing.
pub fn open(path: &Path, split: Split, options: DecodeOptions) -> Result<PairedFiles> {
    let root = voc_root(path)?;
    let part = if split == Split::Train { "train" } else { "val" };
    let list = root.join(format!("ImageSets/Segmentation/{part}.txt"));
    let pairs = TextLines::read(&list)?
        .lines()
        .map(|line| {
            let name = line.text;
            [root.join(format!("JPEGImages/{name}.jpg")), root.join(format!("SegmentationClass/{name}.png"))]
        })
        .collect();
    let classes: Vec<String> = std::iter::once("background").chain(CLASSES).map(str::to_owned).collect();
    let meaning = plain_labels(classes.len());
    PairedFiles::new(&list, pairs, classes, meaning, options)
}

impl Reader<dyn SegmentationData> for Voc {
    type Settings = NamedImageFiles;

    fn open(keys: &NamedImageFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        Ok(Opened::new(Arc::new(open(spec.path()?, split, spec.decode(keys.max_pixels))?)))
    }
}

//! Sets for semantic segmentation, as their owners distribute them.

pub mod ade20k;
pub mod index_png;
pub mod paired;
pub mod voc;

use std::sync::Arc;

use palimpsest_targets::SegmentationData;

use crate::reader::{DatasetInfo, OpenedSegmentation, Reader};

pub(crate) fn opened(dataset: impl SegmentationData + 'static) -> OpenedSegmentation {
    OpenedSegmentation { dataset: Arc::new(dataset), notes: Vec::new() }
}

pub(crate) static READERS: [Reader; 3] = [
    Reader::segmentation(
        DatasetInfo {
            name: "ade20k",
            summary: "ADE20K, scene parsing: 20,210 + 2,000 pictures, 150 classes; segmentation",
            layout: "ADEChallengeData2016/{objectInfo150.txt,images/{training,validation},annotations/{training,validation}}",
        },
        |spec, split| ade20k::open(spec.path()?, split, spec.decode()).map(opened),
    ),
    Reader::segmentation(
        DatasetInfo {
            name: "camvid",
            summary: "CamVid with 11 classes: 367 + 233 pictures; segmentation",
            layout: "{train,test}/*.png with {train,test}annot/*.png (11: not labelled)",
        },
        |spec, split| index_png::open_camvid(spec.path()?, split, spec.decode()).map(opened),
    ),
    Reader::segmentation(
        DatasetInfo {
            name: "index-png",
            summary: "pictures with index PNGs of the same name (255: ignore); segmentation",
            layout: "images/{train,test|val} with labels/{train,test|val} (or annotations/), or {train,test|val} with {train,test|val}annot; classes.txt",
        },
        |spec, split| index_png::open(spec.path()?, &spec.classes, split, spec.decode()).map(opened),
    ),
];

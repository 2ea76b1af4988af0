//! Data sets as people have them: each is opened as it lies there.

mod coco;
mod label_maps;
mod lists;
mod voc;
mod yolo;

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_datasets::{DataSpec, Opened, Split, open_detection, open_segmentation};
use palimpsest_targets::{BoundingBox, DetectionData, SegmentationData};

fn try_objects(name: &str, path: &Path, keys: &str, split: Split) -> Result<Opened<dyn DetectionData>> {
    open_detection(&DataSpec { holdout: 0.3, ..DataSpec::at(name, path) }.with_keys(keys)?, split)
}

fn objects(name: &str, path: &Path, split: Split) -> Opened<dyn DetectionData> {
    try_objects(name, path, "", split).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn try_maps(path: &Path, keys: &str, split: Split) -> Result<Opened<dyn SegmentationData>> {
    let spec = DataSpec { holdout: 0.3, ..DataSpec::at("index-png", path) };
    open_segmentation(&spec.with_keys(keys)?, split)
}

fn maps(path: &Path, keys: &str, split: Split) -> Opened<dyn SegmentationData> {
    try_maps(path, keys, split).unwrap_or_else(|e| panic!("{e}"))
}

/// Classes, boxes and number of all images.
fn content(data: &dyn DetectionData) -> Vec<(String, BoundingBox)> {
    let sample = |i| data.sample(i).expect("loads").1;
    let all = (0..data.len()).flat_map(sample);
    all.map(|object| (data.classes()[object.class as usize].clone(), object.bounds)).collect()
}

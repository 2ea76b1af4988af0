//! Draws composed scenes with their targets: `cargo run --release -p palimpsest-datasets --example
//! scene_sheet -- FOLDER` writes boxes.png and labels.png.

use std::path::PathBuf;

use palimpsest_core::Result;
use palimpsest_datasets::target_sheet::{detection_sheet, segmentation_sheet};
use palimpsest_datasets::{DataSpec, Split, open_detection, open_segmentation};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let spec = DataSpec::new("scenes");
    let boxes = open_detection(&spec, Split::Train)?.dataset;
    detection_sheet(&*boxes, 6, [0, 1, 2])?.write(&folder.join("boxes.png"))?;
    let labels = open_segmentation(&spec, Split::Train)?.dataset;
    segmentation_sheet(&*labels, 6, [0, 1, 2])?.write(&folder.join("labels.png"))
}

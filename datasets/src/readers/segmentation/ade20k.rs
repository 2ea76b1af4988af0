//! ADE20K in the layout of the scene parsing challenge of 2016 (Zhou et al. 2017): 150 classes.

use std::path::Path;
use std::sync::Arc;

use palimpsest_core::{Error, Result};
use palimpsest_targets::IGNORE;
use palimpsest_targets::SegmentationData;

use super::paired::PairedFiles;
use crate::decode::DecodeOptions;
use crate::formats::text_lines::TextLines;
use crate::formats::unpacked::unpacked;
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// Opens `training`, or `validation` as the test part. Stored labels are 1 to 150; 0 (anything else)
/// is ignored, as all published figures have it.
///
/// # Errors
/// A file that is missing, an image without a label map.
pub fn open(path: &Path, split: Split, options: DecodeOptions) -> Result<PairedFiles> {
    let root = unpacked(path, &["ADEChallengeData2016"], "objectInfo150.txt")?;
    let location = root.join("objectInfo150.txt");
    let lines = TextLines::read(&location)?;
    let mut classes = Vec::new();
    for line in lines.lines().skip(1) {
        // Idx Ratio Train Val Stuff Name, by tabs; names are lists of synonyms with commas.
        let name = line.text.split('\t').nth(5).ok_or_else(|| {
            line.at(Error::user(format!("`{}` has fewer than six columns", line.text))
                .help("copy the file again as it is distributed"))
        })?;
        classes.push(name.trim().to_owned());
    }
    let meaning = std::array::from_fn(|label| match label {
        0 => Some(IGNORE),
        label if label <= classes.len() => Some(label as u8 - 1),
        _ => None,
    });
    let part = if split == Split::Train { "training" } else { "validation" };
    let [images, labels] = ["images", "annotations"].map(|folder| root.join(folder).join(part));
    PairedFiles::of_folders(&images, &labels, classes, meaning, options)
}

/// `ade20k`
pub struct Ade20k;

impl Reader<dyn SegmentationData> for Ade20k {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        Ok(Opened::new(Arc::new(open(spec.path()?, split, spec.decode(keys.max_pixels))?)))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::segmentation::<Ade20k>(
        "ade20k",
        "ADE20K, scene parsing: 20,210 + 2,000 images, 150 classes; segmentation",
        "ADEChallengeData2016/{objectInfo150.txt,images/{training,validation},annotations/{training,validation}}",
    )
}

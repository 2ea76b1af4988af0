//! ADE20K in the layout of the scene parsing challenge of 2016 (Zhou et al. 2017): 150 classes.

use palimpsest_core::{Error, Result};
use palimpsest_targets::IGNORE;
use palimpsest_targets::SegmentationData;

use super::paired::PairedFiles;
use super::pairing::pair;
use crate::formats::target_files::TargetFiles;
use crate::formats::text_lines::TextLines;
use crate::formats::unpacked::unpacked;
use crate::part_names::NamedParts;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// `ade20k`: stored labels are 1 to 150; 0 (anything else) is ignored, as all published figures have it.
pub struct Ade20k;

impl Reader<dyn SegmentationData> for Ade20k {
    type Settings = TargetFiles;

    fn open(keys: &TargetFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        let root = unpacked(spec.path()?, &["ADEChallengeData2016"], "objectInfo150.txt")?;
        let lines = TextLines::read(&root.join("objectInfo150.txt"))?;
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
        let [images, maps] = ["images", "annotations"].map(|folder| root.join(folder));
        // The test part of the challenge has no label maps.
        let parts = NamedParts::folders(&images)?;
        let part = parts.candidates(split).find(|part| maps.join(part).is_dir());
        let part = part.unwrap_or(if split == Split::Train { "training" } else { "validation" });
        let pairs = pair(&images.join(part), &maps.join(part), "")?.pairs;
        let list = PairedFiles::new(&images.join(part), pairs, classes, meaning, keys.decode(spec))?;
        Ok(list.opened(part.to_owned()))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::segmentation::<Ade20k>(
        "ade20k",
        "ADE20K, scene parsing: 20,210 + 2,000 images, 150 classes; segmentation",
        "ADEChallengeData2016/{objectInfo150.txt,images/{training,validation},annotations/{training,validation}}",
    )
}

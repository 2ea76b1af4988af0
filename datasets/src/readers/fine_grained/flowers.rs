//! Oxford Flowers-102 (Nilsback and Zisserman 2008).

use std::path::Path;
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};

use crate::decode::DecodeOptions;
use crate::formats::unpacked::unpacked;
use crate::image_list::ImageList;
use crate::mat5::{named, read_file};
use crate::reader::{NamedImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// Opens the images of `trnid` and `valid` (train), or of `tstid`. The set brings no names of its
/// classes: they are `names`, or else their numbers.
///
/// # Errors
/// A file that is missing or broken, a number without an image or label.
pub fn open(path: &Path, names: &[String], split: Split, options: DecodeOptions) -> Result<ImageList> {
    let root = unpacked(path, &["flowers-102", "oxford-102-flowers"], "imagelabels.mat")?;
    let (label_file, part_file) = (root.join("imagelabels.mat"), root.join("setid.mat"));
    let (labels, parts) = (read_file(&label_file)?, read_file(&part_file)?);
    let labels =
        named(&labels, "labels").and_then(|v| v.numbers()).map_err(|e| e.at(label_file.display()))?;
    let count = labels.iter().fold(0.0f64, |most, &label| most.max(label)) as usize;
    let classes = match names.len() {
        0 => (1..=count).map(|class| class.to_string()).collect(),
        have if have == count => names.to_vec(),
        have => {
            return Err(Error::user(format!("{have} names for {count} classes"))
                .at(label_file.display())
                .help("give a name for each class, or none"));
        }
    };
    let mut list = ImageList::new(root.join("jpg"), classes, options);
    let parts_wanted: &[&str] = if split == Split::Train { &["trnid", "valid"] } else { &["tstid"] };
    for part in parts_wanted {
        let ids = named(&parts, part).and_then(|v| v.numbers()).map_err(|e| e.at(part_file.display()))?;
        for &id in ids {
            let label = (id >= 1.0).then(|| labels.get(id as usize - 1)).flatten().filter(|l| **l >= 1.0);
            let add = label
                .ok_or_else(|| {
                    Error::user(format!("image {id} has no label in imagelabels.mat"))
                        .help("copy both files again as they are distributed")
                })
                .and_then(|label| list.push(&format!("image_{id:05}.jpg"), *label as u32 - 1));
            add.map_err(|e| e.at(format_args!("{}: {part}", part_file.display())))?;
        }
    }
    list.filled(&part_file)
}

/// `flowers`
pub struct Flowers;

impl Reader for Flowers {
    type Settings = NamedImageFiles;

    fn open(keys: &NamedImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let list = open(spec.path()?, &keys.classes, split, spec.decode(keys.max_pixels))?;
        let part = if split == Split::Train { "trnid and valid" } else { "tstid" };
        Ok(Opened::new(Arc::new(list) as Arc<dyn Dataset>).part(part))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Flowers>(
        "flowers",
        "Oxford Flowers-102: 2,040 (train and valid) + 6,149 images, 102 classes",
        "imagelabels.mat, setid.mat, jpg/",
    )
}

//! Folders of images with folders of index PNGs beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::{Error, Result};
use palimpsest_targets::IGNORE;
use palimpsest_targets::SegmentationData;

use super::paired::{PairedFiles, plain_labels};
use crate::decode::DecodeOptions;
use crate::formats::text_lines::TextLines;
use crate::formats::unpacked::unpacked;
use crate::reader::{ImageFiles, NamedImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// The classes of CamVid as SegNet's authors distribute it; label 11 is what isn't labelled.
pub const CAMVID_CLASSES: [&str; 11] = [
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign symbol",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
];

/// Opens CamVid (Brostow et al. 2009) with 11 classes, in the layout of SegNet's tutorial.
///
/// # Errors
/// A folder that is missing, an image without a label map.
pub fn open_camvid(path: &Path, split: Split, options: DecodeOptions) -> Result<PairedFiles> {
    let root = unpacked(path, &["CamVid"], "trainannot")?;
    let mut meaning = plain_labels(CAMVID_CLASSES.len());
    meaning[CAMVID_CLASSES.len()] = Some(IGNORE);
    let classes = CAMVID_CLASSES.map(str::to_owned).to_vec();
    let part = if split == Split::Train { "train" } else { "test" };
    PairedFiles::of_folders(&root.join(part), &root.join(format!("{part}annot")), classes, meaning, options)
}

/// Opens folders of one's own: `images/PART` with `labels/PART` or `annotations/PART`, or `PART` with
/// `PARTannot`; the test part is `test` or else `val`. Classes are `classes`, or else the lines of
/// classes.txt; label 255 is ignored.
///
/// # Errors
/// No such folders, no classes, an image without a label map.
pub fn open(path: &Path, classes: &[String], split: Split, options: DecodeOptions) -> Result<PairedFiles> {
    let list = path.join("classes.txt");
    let classes = match classes {
        [] if list.is_file() => TextLines::read(&list)?.entries()?,
        [] => {
            return Err(Error::user("no names of the classes")
                .at(list.display())
                .help("write them there, one a line, in the order of the labels"));
        }
        known => known.to_vec(),
    };
    let parts: &[&str] = if split == Split::Train { &["train"] } else { &["test", "val"] };
    let candidates = parts.iter().flat_map(|part| layouts(path, part));
    let [images, labels] =
        candidates.into_iter().find(|[p, l]| p.is_dir() && l.is_dir()).ok_or_else(|| {
            Error::user(format!("no folders of images and label maps for the {split} part"))
                .at(path.display())
                .help(format!("make `images/{0}` and `labels/{0}`", parts[0]))
        })?;
    let meaning = plain_labels(classes.len());
    PairedFiles::of_folders(&images, &labels, classes, meaning, options)
}

fn layouts(root: &Path, part: &str) -> [[PathBuf; 2]; 3] {
    let pair = |a: String, b: String| [root.join(a), root.join(b)];
    [
        pair(format!("images/{part}"), format!("labels/{part}")),
        pair(format!("images/{part}"), format!("annotations/{part}")),
        pair(part.to_owned(), format!("{part}annot")),
    ]
}

/// `camvid`
pub struct CamVid;

impl Reader<dyn SegmentationData> for CamVid {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        Ok(Opened::new(Arc::new(open_camvid(spec.path()?, split, spec.decode(keys.max_pixels))?)))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::segmentation::<CamVid>(
        "camvid",
        "CamVid with 11 classes: 367 + 233 images; segmentation",
        "{train,test}/*.png with {train,test}annot/*.png (11: not labelled)",
    )
}

/// `index-png`
pub struct IndexPng;

impl Reader<dyn SegmentationData> for IndexPng {
    type Settings = NamedImageFiles;

    fn open(keys: &NamedImageFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        let options = spec.decode(keys.max_pixels);
        Ok(Opened::new(Arc::new(open(spec.path()?, &keys.classes, split, options)?)))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::segmentation::<IndexPng>(
        "index-png",
        "images with index PNGs of the same name (255: ignore); segmentation",
        "images/{train,test|val} with labels/{train,test|val} (or annotations/), or {train,test|val} with {train,test|val}annot; classes.txt",
    )
}

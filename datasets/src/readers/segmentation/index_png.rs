//! Folders of images with folders of index PNGs beside them.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};
use palimpsest_targets::IGNORE;
use palimpsest_targets::SegmentationData;

use super::paired::{Meaning, PairedFiles, plain_labels, stored_labels};
use super::pairing::{Pairs, pair};
use crate::decode::{DecodeOptions, Exif};
use crate::formats::image_files::{regular_files, sub_folders};
use crate::formats::tally::Tally;
use crate::formats::target_files::TargetFiles;
use crate::formats::text_lines::TextLines;
use crate::formats::unpacked::unpacked;
use crate::part_names::NamedParts;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, held_out, key_below};

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

palimpsest_core::settings! {
    /// `[data.reader]` of `index-png`.
    pub struct IndexPngKeys {
        /// The names of the classes, in the order of the labels; [] for the lines of classes.txt.
        classes: Vec<String> = Vec::new();
        /// The stored labels of the classes in their order, as [0, 255]; [] for 0, 1, 2 and so on.
        labels: Vec<u8> = Vec::new();
        /// The stored labels of pixels that are neither trained on nor scored; [] for 255 where it is no class.
        ignore: Vec<u8> = Vec::new();
        /// What follows an image's name in the name of its map; "" for nothing or what is usual, as _mask.
        suffix: String = String::new();
        /// Whether images are turned upright by their EXIF orientation ("apply"), or taken as stored ("ignore"),
        /// which is right where label maps were drawn on the stored pixels.
        exif: Exif = Exif::Apply;
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

impl IndexPngKeys {
    /// What the stored labels mean.
    fn meaning(&self, classes: usize) -> Result<Meaning> {
        let wrong = |what: String, key: &str, help: &str| {
            Err(Error::user(what).at(format_args!("`data.reader.{key}`")).help(help))
        };
        if !self.labels.is_empty() && self.labels.len() != classes {
            let what = format!("{} labels for {classes} classes", self.labels.len());
            return wrong(what, "labels", "give one for each class, in their order");
        }
        let numbers: Vec<u8> = match &self.labels[..] {
            [] => (0..classes.min(usize::from(IGNORE))).map(|label| label as u8).collect(),
            labels => labels.to_vec(),
        };
        let mut meaning: Meaning = [None; 256];
        for (class, &label) in numbers.iter().enumerate() {
            if meaning[usize::from(label)].replace(class as u8).is_some() {
                return wrong(format!("the label {label} is given twice"), "labels", "give each label once");
            }
        }
        for &label in &self.ignore {
            if meaning[usize::from(label)].replace(IGNORE).is_some_and(|class| class != IGNORE) {
                let what = format!("the label {label} is a class too");
                return wrong(
                    what,
                    "ignore",
                    "leave it out here, or give the classes' labels in data.reader.labels",
                );
            }
        }
        if self.ignore.is_empty() {
            meaning[usize::from(IGNORE)].get_or_insert(IGNORE);
        }
        Ok(meaning)
    }
}

/// Where a part is, or the whole set where it has no test part.
struct Found {
    images: PathBuf,
    labels: PathBuf,
    part: String,
    whole: bool,
}

/// What folders of images are called, in any case.
const IMAGES: [&str; 7] = ["images", "image", "imgs", "img", "JPEGImages", "leftImg8bit", "photos"];
/// What folders of label maps are called, in any case.
const LABELS: [&str; 12] = [
    "labels",
    "annotations",
    "masks",
    "mask",
    "label",
    "SegmentationClass",
    "gtFine",
    "gt",
    "annots",
    "ground_truth",
    "segmentation",
    "segmentations",
];
/// What follows a part's name in the name of the folder of its label maps.
const BESIDE: [&str; 8] =
    ["annot", "_annot", "_labels", "_masks", "_mask", "labels", "masks", "_annotations"];

/// The sub-folders of one of these names, in the order of the names.
fn called(root: &Path, names: &[&str]) -> Vec<PathBuf> {
    let all = sub_folders(root);
    let is = |folder: &PathBuf, name: &str| {
        folder.file_name().is_some_and(|own| own.to_string_lossy().eq_ignore_ascii_case(name))
    };
    names.iter().flat_map(|name| all.iter().filter(|folder| is(folder, name)).cloned()).collect()
}

/// Folders of images and of their label maps, for each name of a part, and for all.
fn layouts(root: &Path, part: &str) -> Vec<[PathBuf; 2]> {
    let mut all = vec![];
    for images in called(root, &IMAGES) {
        all.extend(called(root, &LABELS).into_iter().map(|labels| [images.join(part), labels.join(part)]));
    }
    let own = root.join(part);
    for images in called(&own, &IMAGES) {
        all.extend(called(&own, &LABELS).into_iter().map(|labels| [images.clone(), labels]));
    }
    all.extend(BESIDE.map(|beside| [own.clone(), root.join(format!("{part}{beside}"))]));
    all.retain(|[images, labels]| images.is_dir() && labels.is_dir());
    // A folder of text files (YOLO's `labels`) may lie beside that of the maps.
    let is_png = |file: &PathBuf| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    all.sort_by_key(|[_, labels]| !regular_files(labels).is_ok_and(|files| files.iter().any(is_png)));
    all
}

fn find(root: &Path, split: Split) -> Result<Found> {
    let mut names: Vec<String> = sub_folders(root)
        .into_iter()
        .chain(called(root, &IMAGES).iter().flat_map(|images| sub_folders(images)))
        .filter_map(|folder| folder.file_name()?.to_str().map(str::to_owned))
        .collect();
    names.sort_unstable();
    names.dedup();
    let parts = NamedParts::of(names);
    let of = |split| {
        parts
            .candidates(split)
            .find_map(|part| Some((layouts(root, part).into_iter().next()?, part.to_owned())))
    };
    let (train, test) = (of(Split::Train), of(Split::Test));
    let whole = test.is_none();
    if let Some(train) = train {
        let ([images, labels], part) = if split == Split::Test { test.unwrap_or(train) } else { train };
        return Ok(Found { images, labels, part, whole });
    }
    let pair = called(root, &IMAGES).into_iter().next().zip(called(root, &LABELS).into_iter().next());
    match pair {
        Some((images, labels)) if whole => Ok(Found { images, labels, part: String::new(), whole }),
        _ => Err(Error::user(format!("no folders of images and label maps for the {split} part"))
            .at(root.display())
            .help("make `images/train` and `labels/train`, or `images` and `labels`")),
    }
}

/// The names of the classes: as told, or the lines of classes.txt.
fn class_names(keys: &IndexPngKeys, root: &Path, pairs: &[[PathBuf; 2]]) -> Result<Vec<String>> {
    let list = root.join("classes.txt");
    if !keys.classes.is_empty() {
        return Ok(keys.classes.clone());
    }
    if list.is_file() {
        return TextLines::read(&list)?.entries();
    }
    let stored = stored_labels(pairs, keys.max_pixels);
    let labels: Vec<String> =
        (0..256).filter(|label| stored[*label] > 0).map(|label| label.to_string()).collect();
    Err(Error::user("no names of the classes").at(list.display()).help(format!(
        "write them there, one a line, or set data.reader.classes=[…], in the order of the labels (maps here have \
         {})",
        labels.join(", ")
    )))
}

/// `camvid`: CamVid (Brostow et al. 2009) with 11 classes, in the layout of SegNet's tutorial.
pub struct CamVid;

impl Reader<dyn SegmentationData> for CamVid {
    type Settings = TargetFiles;

    fn open(keys: &TargetFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        let root = unpacked(spec.path()?, &["CamVid"], "trainannot")?;
        let mut meaning = plain_labels(CAMVID_CLASSES.len());
        meaning[CAMVID_CLASSES.len()] = Some(IGNORE);
        let classes = CAMVID_CLASSES.map(str::to_owned).to_vec();
        let parts = NamedParts::folders(&root)?;
        let annotated = |part: &&str| root.join(format!("{part}annot")).is_dir();
        let fallback = if split == Split::Train { "train" } else { "test" };
        let part = parts.candidates(split).find(annotated).unwrap_or(fallback);
        let images = root.join(part);
        let pairs = pair(&images, &root.join(format!("{part}annot")), "")?.pairs;
        let list = PairedFiles::new(&images, pairs, classes, meaning, keys.decode(spec))?;
        Ok(list.opened(part.to_owned()))
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
    type Settings = IndexPngKeys;

    fn open(keys: &IndexPngKeys, spec: &DataSpec, split: Split) -> Result<Opened<dyn SegmentationData>> {
        let root = spec.path()?;
        let Found { images, labels, mut part, whole } = find(root, split)?;
        let Pairs { mut pairs, strays } = pair(&images, &labels, &keys.suffix)?;
        let classes = class_names(keys, root, &pairs)?;
        let meaning = keys.meaning(classes.len())?;
        let mut tally = Tally::default();
        tally.add_many("label maps have no image", strays);
        let mut notes = tally.notes(&part);
        if whole && !pairs.is_empty() {
            let held = held_out(pairs, spec, split, |[image, _]| key_below(root, image))
                .map_err(|e| e.at(root.display()))?;
            (pairs, part) = (held.items, held.part.unwrap_or(part));
            notes.extend(held.note);
        }
        let options: DecodeOptions = spec.decode(keys.max_pixels).with_exif(keys.exif);
        let list = PairedFiles::new(&images, pairs, classes, meaning, options)?.advising(
            "correct the label map, name more classes, or tell which label is what in data.reader.labels and \
             data.reader.ignore",
        );
        Ok(list.opened(part).notes(notes))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::segmentation::<IndexPng>(
        "index-png",
        "images with index PNGs of the same name (255: ignore); segmentation",
        "images/{train,test|val} with labels/{train,test|val} (or masks/, annotations/, …), {train,test|val}/{images,masks}, \
         {train,test|val} with {train,test|val}annot, or images with labels; classes.txt",
    )
}

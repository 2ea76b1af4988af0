//! CUB-200-2011 (Wah et al. 2011) and NABirds (Van Horn et al. 2015): four lists keyed by an image's id.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};

use crate::decode::DecodeOptions;
use crate::formats::once::insert_once;
use crate::formats::text_lines::TextLines;
use crate::formats::unpacked::unpacked;
use crate::image_list::ImageList;
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// Opens CUB-200-2011.
///
/// # Errors
/// A list or image that is missing, an image or class that a list doesn't know.
pub fn open_cub(path: &Path, split: Split, options: DecodeOptions) -> Result<ImageList> {
    let root = unpacked(path, &["CUB_200_2011"], "images.txt")?;
    open(&root, split, options, |name| {
        // `001.Black_footed_Albatross`
        name.split_once('.').map_or(name, |(_, name)| name).replace('_', " ")
    })
}

/// Opens NABirds. Of its 1,011 classes, which form a tree, only those with images count: 555.
///
/// # Errors
/// As [`open_cub`].
pub fn open_nabirds(path: &Path, split: Split, options: DecodeOptions) -> Result<ImageList> {
    let root = unpacked(path, &["nabirds"], "images.txt")?;
    open(&root, split, options, str::to_owned)
}

fn open(
    root: &Path,
    split: Split,
    options: DecodeOptions,
    class_name: impl Fn(&str) -> String,
) -> Result<ImageList> {
    let read = |name: &str| TextLines::read(&root.join(name));
    let (images, labels, parts, names) = (
        read("images.txt")?,
        read("image_class_labels.txt")?,
        read("train_test_split.txt")?,
        read("classes.txt")?,
    );
    let mut class_names: HashMap<u32, String> = HashMap::new();
    for line in names.lines() {
        let (id, name) = line.key_and_rest("CLASS NAME")?;
        let id = line.number(id, "class")?;
        insert_once(&mut class_names, "class", id, class_name(name)).map_err(|e| line.at(e))?;
    }
    let mut class_of: HashMap<&str, u32> = HashMap::new();
    for line in labels.lines() {
        let (image, class) = line.key_and_rest("IMAGE CLASS")?;
        let class: u32 = line.number(class, "class")?;
        if !class_names.contains_key(&class) {
            return Err(
                line.at(Error::user(format!("unknown class {class}")).help("use the classes of classes.txt"))
            );
        }
        insert_once(&mut class_of, "image", image, class).map_err(|e| line.at(e))?;
    }
    // Labels are by the order of the ids, of classes with images in either part.
    let used: BTreeSet<u32> = class_of.values().copied().collect();
    let label_of: HashMap<u32, u32> = used.iter().zip(0..).map(|(&class, label)| (class, label)).collect();
    let classes = used.iter().map(|class| class_names[class].clone()).collect();
    let mut in_training: HashMap<&str, bool> = HashMap::new();
    for line in parts.lines() {
        let (image, part) = line.key_and_rest("IMAGE 0-OR-1")?;
        let part: u8 = line.number(part, "part")?;
        if part > 1 {
            return Err(line
                .at(Error::user(format!("the part {part}")).help("write 1 for training and 0 for testing")));
        }
        insert_once(&mut in_training, "image", image, part == 1).map_err(|e| line.at(e))?;
    }
    let mut list = ImageList::new(root.join("images"), classes, options);
    let mut files: HashMap<&str, &str> = HashMap::new();
    for line in images.lines() {
        let (image, file) = line.key_and_rest("IMAGE PATH")?;
        insert_once(&mut files, "image", image, file).map_err(|e| line.at(e))?;
        let unknown = |name: &str| {
            line.at(Error::user(format!("image `{image}` is not in {name}"))
                .help("copy the lists again as they are distributed"))
        };
        let training = in_training.get(image).ok_or_else(|| unknown("train_test_split.txt"))?;
        if *training != (split == Split::Train) {
            continue;
        }
        let class = class_of.get(image).ok_or_else(|| unknown("image_class_labels.txt"))?;
        list.push(file, label_of[class]).map_err(|e| line.at(e))?;
    }
    list.filled(&root.join("images.txt"))
}

/// `cub`
pub struct Cub;

impl Reader for Cub {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let list = open_cub(spec.path()?, split, spec.decode(keys.max_pixels))?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn Dataset>).part(split.to_string()))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Cub>(
        "cub",
        "CUB-200-2011: 5,994 + 5,794 images of birds, 200 classes",
        "CUB_200_2011/{images.txt,image_class_labels.txt,train_test_split.txt,classes.txt,images/}",
    )
}

/// `nabirds`
pub struct NaBirds;

impl Reader for NaBirds {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let list = open_nabirds(spec.path()?, split, spec.decode(keys.max_pixels))?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn Dataset>).part(split.to_string()))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<NaBirds>(
        "nabirds",
        "NABirds: 23,929 + 24,633 images of birds, 555 classes",
        "nabirds/{images.txt,image_class_labels.txt,train_test_split.txt,classes.txt,images/}",
    )
}

//! iNaturalist 2017 and 2018 (Van Horn et al. 2018): COCO-like JSON with a category for each image.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use palimpsest_core::{Error, Result};
use serde::Deserialize;

use crate::decode::DecodeOptions;
use crate::formats::json::read_json;
use crate::image_list::ImageList;
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// Opens the training or the validation part of a year. Labels are by the order of the categories'
/// ids.
///
/// # Errors
/// A file that is missing or no such JSON, an image without or of an unknown category.
pub fn open(path: &Path, year: u32, split: Split, options: DecodeOptions) -> Result<ImageList> {
    let part = if split == Split::Train { "train" } else { "val" };
    let location = path.join(format!("{part}{year}.json"));
    let mut file: File = read_json(&location)?;
    file.categories.sort_by_key(|category| category.id);
    let label_of: HashMap<u64, u32> =
        file.categories.iter().zip(0..).map(|(c, label)| (c.id, label)).collect();
    let classes = file.categories.into_iter().map(|category| category.name).collect();
    let category_of: HashMap<u64, u64> =
        file.annotations.iter().map(|a| (a.image_id, a.category_id)).collect();
    let mut list = ImageList::new(path, classes, options);
    for image in &file.images {
        let at = |error: Error| error.at(format_args!("{}: image {}", location.display(), image.id));
        let category = category_of.get(&image.id).ok_or_else(|| {
            at(Error::user("no annotation gives its category")
                .help("copy the file again as it is distributed"))
        })?;
        let label = label_of.get(category).ok_or_else(|| {
            at(Error::user(format!("unknown class {category}")).help("use the ids of `categories`"))
        })?;
        list.push(&image.file_name, *label).map_err(at)?;
    }
    list.filled(&location)
}

/// `inat2017` and `inat2018`.
pub struct INaturalist<const YEAR: u32>;

impl<const YEAR: u32> Reader for INaturalist<YEAR> {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        Ok(Opened::new(Arc::new(open(spec.path()?, YEAR, split, spec.decode(keys.max_pixels))?)))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<INaturalist<2017>>(
        "inat2017",
        "iNaturalist 2017: 579,184 + 95,986 images, 5,089 classes (its val part is the test part)",
        "train2017.json, val2017.json and the folder that they name, train_val_images/",
    )
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<INaturalist<2018>>(
        "inat2018",
        "iNaturalist 2018: 437,513 + 24,426 images, 8,142 classes (its val part is the test part)",
        "train2018.json, val2018.json and the folder that they name, train_val2018/",
    )
}

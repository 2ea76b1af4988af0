//! iNaturalist 2017, 2018 (Van Horn et al. 2018) and 2021 (Van Horn et al. 2021): COCO-like JSON with a category for
//! each image.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use palimpsest_core::{Error, Result};
use serde::Deserialize;

use crate::decode::DecodeOptions;
use crate::detection::coco_form::Id;
use crate::formats::json::read_json;
use crate::formats::once::insert_once;
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
    id: Id,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: Id,
    category_id: Id,
}

#[derive(Deserialize)]
struct Category {
    id: Id,
    name: String,
}

/// Opens a part by its file, whose images are below `root`. Labels are by the order of the categories' ids.
///
/// # Errors
/// A file that is missing or no such JSON, an image without or of an unknown category, an id that is given twice.
fn open(root: &Path, location: &Path, options: DecodeOptions) -> Result<ImageList> {
    let mut file: File = read_json(location)?;
    let at = |error: Error| error.at(location.display());
    file.categories.sort_by(|a, b| a.id.cmp(&b.id));
    let mut label_of: HashMap<Id, u32> = HashMap::new();
    for (category, label) in file.categories.iter().zip(0..) {
        insert_once(&mut label_of, "id of `categories`", category.id.clone(), label).map_err(at)?;
    }
    let classes = file.categories.into_iter().map(|category| category.name).collect();
    let mut category_of: HashMap<Id, Id> = HashMap::with_capacity(file.annotations.len());
    for annotation in file.annotations {
        insert_once(
            &mut category_of,
            "`image_id` of `annotations`",
            annotation.image_id,
            annotation.category_id,
        )
        .map_err(at)?;
    }
    let mut list = ImageList::new(root, classes, options);
    let mut known = HashMap::with_capacity(file.images.len());
    for image in &file.images {
        let at = |error: Error| at(error.at(format_args!("image {}", image.id)));
        insert_once(&mut known, "id of `images`", image.id.clone(), ()).map_err(at)?;
        let category = category_of.get(&image.id).ok_or_else(|| {
            at(Error::user("no annotation gives its category")
                .help("copy the file again as it is distributed"))
        })?;
        let label = label_of.get(category).ok_or_else(|| {
            at(Error::user(format!("unknown class {category}")).help("use the ids of `categories`"))
        })?;
        list.push(&image.file_name, *label).map_err(at)?;
    }
    list.filled(location)
}

/// `inat2017`, `inat2018` and `inat2021`.
pub struct INaturalist<const YEAR: u32>;

impl<const YEAR: u32> Reader for INaturalist<YEAR> {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let root = spec.path()?;
        let mut part = if split == Split::Train { "train" } else { "val" }.to_owned();
        if YEAR < 2021 {
            part += &YEAR.to_string();
        } else if split == Split::Train && !root.join("train.json").is_file() {
            // The part of 50 images a class.
            part += "_mini";
        }
        let list = open(root, &root.join(format!("{part}.json")), spec.decode(keys.max_pixels))?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn palimpsest_core::data::Dataset>).part(part))
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

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<INaturalist<2021>>(
        "inat2021",
        "iNaturalist 2021: 2,686,843 (or 500,000, mini) + 100,000 images, 10,000 classes (its val part is the test part)",
        "train.json (or train_mini.json), val.json and the folders that they name, train/ (train_mini/), val/",
    )
}

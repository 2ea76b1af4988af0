//! COCO's JSON (Lin et al. 2014), its own sets and those that others write in its form.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::{Error, Result};
use palimpsest_targets::BoundingBox;
use palimpsest_targets::DetectionData;

use super::annotated::{AnnotatedImage, AnnotatedList, Annotation, SLACK, Shape, fitted};
use super::coco_form::{CocoAnnotation, CocoFile};
use crate::decode::DecodeOptions;
use crate::formats::json::read_json;
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// Opens a part of a folder: COCO's own layout, or a JSON beside the images of each part. The test
/// part is `val` where `test` has no annotations. Notes tell what was left out.
///
/// # Errors
/// Files that are missing, an unknown image or class, a box outside of its image, a mask of
/// another size.
pub fn open(path: &Path, split: Split, options: DecodeOptions) -> Result<(AnnotatedList, Vec<String>)> {
    let parts: &[&str] = match split {
        Split::Train => &["train2017", "train2014", "train"],
        Split::Test => &["val2017", "val2014", "val", "test", "valid"],
    };
    let candidates: Vec<[PathBuf; 2]> = parts.iter().flat_map(|part| layouts(path, part)).collect();
    let [annotations, images] =
        candidates.iter().find(|[annotations, _]| annotations.is_file()).ok_or_else(|| {
            Error::user(format!("no annotations of the {split} part"))
                .at(path.display())
                .help(format!("put them at `annotations/instances_{}.json`", parts[0]))
        })?;
    open_file(annotations, images, options)
}

fn layouts(root: &Path, part: &str) -> Vec<[PathBuf; 2]> {
    let annotations = [
        format!("annotations/instances_{part}.json"),
        format!("annotations/{part}.json"),
        format!("{part}/_annotations.coco.json"),
    ];
    let folders = [root.join(part), root.join("images").join(part), root.join("images")];
    let images = folders.iter().find(|folder| folder.is_dir()).unwrap_or(&folders[0]);
    annotations.map(|file| [root.join(file), images.clone()]).to_vec()
}

/// Opens one JSON file with the images of `folder`. Classes are by the order of the categories' ids.
///
/// # Errors
/// As [`open`].
pub fn open_file(
    annotations: &Path,
    folder: &Path,
    options: DecodeOptions,
) -> Result<(AnnotatedList, Vec<String>)> {
    let mut file: CocoFile = read_json(annotations)?;
    let at = |error: Error| error.at(annotations.display());
    file.categories.sort_by_key(|category| category.id);
    let label_of: HashMap<u64, u32> =
        file.categories.iter().zip(0..).map(|(category, label)| (category.id, label)).collect();
    // pycocotools goes through images by their ids; so equal scores fall the same way.
    file.images.sort_by_key(|image| image.id);
    let mut images = Vec::with_capacity(file.images.len());
    let mut index_of = HashMap::with_capacity(file.images.len());
    for image in file.images {
        let path = folder.join(&image.file_name);
        if !path.is_file() {
            return Err(at(Error::user(format!("no such file `{}` (image {})", path.display(), image.id))
                .help("unpack the images too")));
        }
        if image.width as u64 * image.height as u64 > options.max_pixels {
            return Err(at(Error::user(format!(
                "image {} has {}x{} pixels",
                image.id, image.width, image.height
            ))
            .help("correct its size, or raise `max_pixels`")));
        }
        index_of.insert(image.id, images.len());
        let size = Some((image.width, image.height));
        images.push(AnnotatedImage { path, size, annotations: Vec::new() });
    }
    let mut dropped = 0;
    for annotation in file.annotations {
        let id = annotation.id;
        let at = |error: Error| at(error.at(format_args!("annotation {id}")));
        let index = *index_of.get(&annotation.image_id).ok_or_else(|| {
            at(Error::user(format!("unknown image {}", annotation.image_id)).help("use the ids of `images`"))
        })?;
        let class = *label_of.get(&annotation.category_id).ok_or_else(|| {
            at(Error::user(format!("unknown class {}", annotation.category_id))
                .help("use the ids of `categories`"))
        })?;
        let size = images[index].size.unwrap_or_default();
        match read(annotation, class, size).map_err(at)? {
            Some(annotation) => images[index].annotations.push(annotation),
            None => dropped += 1,
        }
    }
    if images.is_empty() {
        return Err(at(Error::user("no images").help("copy the annotations again")));
    }
    let mut notes = Vec::new();
    if dropped > 0 {
        notes.push(format!("{}: {dropped} boxes without area were left out", annotations.display()));
    }
    let classes = file.categories.into_iter().map(|category| category.name).collect();
    Ok((AnnotatedList::new(images, classes, options), notes))
}

fn read(
    annotation: CocoAnnotation,
    class: u32,
    (width, height): (usize, usize),
) -> Result<Option<Annotation>> {
    let [left, top, w, h] = annotation.bbox;
    let bounds = BoundingBox::new(left, top, w, h);
    let Some(bounds) = fitted(bounds, width as f64, height as f64, SLACK)? else { return Ok(None) };
    let shape = match annotation.segmentation {
        Some(segmentation) => segmentation.shape(width, height)?,
        None => Shape::Unknown,
    };
    let crowd = annotation.iscrowd != 0;
    Ok(Some(Annotation { class, bounds, shape, area: annotation.area, crowd, ignore: false }))
}

/// `coco`
pub struct Coco;

impl Reader<dyn DetectionData> for Coco {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
        let (list, notes) = open(spec.path()?, split, spec.decode(keys.max_pixels))?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn DetectionData>).notes(notes))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::detection::<Coco>(
        "coco",
        "COCO's JSON: boxes, polygons, run-length masks, crowds; detection",
        "annotations/instances_{train,val}2017.json, {train,val}2017/; or {train,val,test}/_annotations.coco.json",
    )
}

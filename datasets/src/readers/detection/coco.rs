//! COCO's JSON (Lin et al. 2014), its own sets and those that others write in its form.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};
use palimpsest_targets::DetectionData;

use super::annotated::{AnnotatedImage, AnnotatedList, Annotation, SLACK, Shape, Unit, fitted};
use super::coco_files::{Chosen, choose, image_folders};
use super::coco_form::{CocoAnnotation, CocoFile, Id};
use crate::decode::DecodeOptions;
use crate::formats::once::insert_once;
use crate::formats::shown::shown;
use crate::formats::tally::Tally;
use crate::formats::target_files::TargetFiles;
use crate::image_header::ImageHeader;
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, held_out, key_below};

/// What a JSON file says.
pub(super) struct Content {
    pub(super) images: Vec<AnnotatedImage>,
    pub(super) classes: Vec<String>,
    pub(super) tally: Tally,
}

/// Reads the content of a JSON file with images of one of `folders`. Classes are by the order of the categories'
/// ids.
///
/// # Errors
/// Images that are missing, an unknown image or class, an id that is given twice, a mask of another size.
pub(super) fn read(
    json: &Path,
    mut file: CocoFile,
    folders: &[PathBuf],
    options: DecodeOptions,
) -> Result<Content> {
    let at = |error: Error| error.at(json.display());
    let mut tally = Tally::default();
    file.categories.sort_by(|a, b| a.id.cmp(&b.id));
    let mut label_of: HashMap<Id, u32> = HashMap::new();
    for (category, label) in file.categories.iter().zip(0..) {
        insert_once(&mut label_of, "id of `categories`", category.id.clone(), label).map_err(at)?;
    }
    // pycocotools goes through images by their ids; so equal scores fall the same way.
    file.images.sort_by(|a, b| a.id.cmp(&b.id));
    let mut images = Vec::with_capacity(file.images.len());
    let mut index_of = HashMap::with_capacity(file.images.len());
    for image in file.images {
        let at = |error: Error| at(error.at(format_args!("image {}", image.id)));
        let path = found(&image.file_name, folders).ok_or_else(|| {
            let first = folders.first().map(|folder| folder.join(&image.file_name)).unwrap_or_default();
            at(Error::user(format!("no such file `{}`", shown(&first.to_string_lossy())))
                .help("unpack the images too"))
        })?;
        let annotated = image.size().map_err(at)?;
        if annotated.is_some_and(|(width, height)| width as u64 * height as u64 > options.max_pixels) {
            let (width, height) = annotated.unwrap_or_default();
            return Err(at(Error::user(format!("{width}x{height} pixels"))
                .help("correct its size, or raise `data.reader.max_pixels`")));
        }
        if annotated.is_none() {
            tally.add("images have no size in the annotations: it was taken from their files");
        }
        let size = annotated.or_else(|| options.size_of(ImageHeader::of_file(&path)?));
        insert_once(&mut index_of, "id of `images`", image.id.clone(), images.len()).map_err(at)?;
        images.push(AnnotatedImage { path, size, annotations: Vec::new() });
    }
    if images.is_empty() {
        return Err(at(Error::user("no images").help("copy the annotations again")));
    }
    let mut known = HashSet::with_capacity(file.annotations.len());
    for annotation in file.annotations {
        let id = annotation.id.clone();
        let at = |error: Error| at(error.at(format_args!("annotation {id}")));
        if !known.insert(annotation.id.clone()) {
            return Err(at(
                Error::user(format!("the id of `annotations` {id} is given twice")).help("give each id once")
            ));
        }
        let index = *index_of.get(&annotation.image_id).ok_or_else(|| {
            at(Error::user(format!("unknown image {}", annotation.image_id)).help("use the ids of `images`"))
        })?;
        let class = *label_of.get(&annotation.category_id).ok_or_else(|| {
            at(Error::user(format!("unknown class {}", annotation.category_id))
                .help("use the ids of `categories`"))
        })?;
        let image: &mut AnnotatedImage = &mut images[index];
        image.annotations.extend(read_annotation(annotation, class, image.size, &mut tally).map_err(at)?);
    }
    let classes = file.categories.into_iter().map(|category| category.name).collect();
    Ok(Content { images, classes, tally })
}

/// The image of this name, in the first folder that has it.
fn found(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    // Tools on Windows write its separator.
    find(name).or_else(|| name.contains('\\').then(|| find(&name.replace('\\', "/"))).flatten())
}

fn read_annotation(
    mut annotation: CocoAnnotation,
    class: u32,
    size: Option<(usize, usize)>,
    tally: &mut Tally,
) -> Result<Option<Annotation>> {
    let shape = match annotation.segmentation.take() {
        Some(segmentation) => segmentation.shape(size, tally)?,
        None => Shape::Unknown,
    };
    let bounds = annotation.bounds(&shape)?;
    // Where the size isn't known, the image can't be read either, which is told when it is loaded.
    let (width, height) = size.map_or((f64::MAX, f64::MAX), |(w, h)| (w as f64, h as f64));
    let Some(bounds) = fitted(bounds, (width, height), SLACK, tally)? else { return Ok(None) };
    let area = annotation.area.map(|area| area.0).filter(|area| area.is_finite());
    let crowd = annotation.iscrowd.is_some_and(|crowd| crowd.0);
    Ok(Some(Annotation { class, bounds, shape, area, crowd, ignore: false }))
}

/// `coco`
pub struct Coco;

impl Reader<dyn DetectionData> for Coco {
    type Settings = TargetFiles;

    fn open(keys: &TargetFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
        let (root, options) = (spec.path()?, keys.decode(spec));
        let Chosen { json, content, part, whole, notes } = choose(root, split)?;
        let folders = image_folders(root, &json, &part);
        let Content { mut images, classes, tally } = read(&json, content, &folders, options)?;
        let (mut part, mut notes) = (part, notes);
        if whole {
            let held = held_out(images, spec, split, |image| key_below(root, &image.path))
                .map_err(|e| e.at(json.display()))?;
            (images, part) = (held.items, held.part.unwrap_or(part));
            notes.extend(held.note);
        }
        Ok(AnnotatedList::new(images, classes, Unit::Pixels, options).opened(part, &tally).notes(notes))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::detection::<Coco>(
        "coco",
        "COCO's JSON: boxes, polygons, run-length masks, crowds; detection",
        "annotations/instances_{train,val}2017.json, {train,val}2017/; {train,valid,test}/_annotations.coco.json; \
         other .json named after their parts; or one .json with its images",
    )
}

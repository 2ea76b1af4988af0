//! YOLO's text files: a line an object, its class's number, then either centre and size of the box or
//! the corners of its outline, in shares of the image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::{Error, Result};
use palimpsest_targets::BoundingBox;
use palimpsest_targets::DetectionData;

use super::annotated::{AnnotatedImage, AnnotatedList, Annotation, Shape, fitted};
use super::yolo_names::class_names;
use crate::decode::{DecodeOptions, is_image};
use crate::formats::text_lines::{Line, TextLines};
use crate::reader::{NamedImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

/// How far a box may reach over the edge, as a share: files have six decimals, and tools round.
const SLACK: f64 = 0.005;

/// Opens `images/train` with `labels/train`, or `val` (else `test`) as the test part. An image
/// without a text file has no objects.
///
/// # Errors
/// No such folders, no names of classes, an unknown class, a box outside of its image, a line of
/// another form.
pub fn open(
    path: &Path,
    classes: &[String],
    split: Split,
    options: DecodeOptions,
) -> Result<(AnnotatedList, Vec<String>)> {
    let classes = if classes.is_empty() { class_names(path)? } else { classes.to_vec() };
    let parts: &[&str] = if split == Split::Train { &["train"] } else { &["val", "valid", "test"] };
    let layouts = |part: &&str| -> [[PathBuf; 2]; 2] {
        [
            [path.join("images").join(part), path.join("labels").join(part)],
            [path.join(part).join("images"), path.join(part).join("labels")],
        ]
    };
    let [images, labels] = parts
        .iter()
        .flat_map(layouts)
        .find(|[images, labels]| images.is_dir() && labels.is_dir())
        .ok_or_else(|| {
            Error::user(format!("no folders of images and text files for the {split} part"))
                .at(path.display())
                .help(format!("make `images/{0}` and `labels/{0}`", parts[0]))
        })?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&images).map_err(|e| Error::io(&images, &e))? {
        let file = entry.map_err(|e| Error::io(&images, &e))?.path();
        files.extend(is_image(&file).then_some(file));
    }
    files.sort_unstable();
    if files.is_empty() {
        return Err(Error::user("no images").at(images.display()).help("unpack the set here"));
    }
    let (mut images, mut dropped, mut without) = (Vec::new(), 0, 0);
    for file in files {
        let text = labels.join(file.with_extension("txt").file_name().unwrap_or_default());
        let mut annotations = Vec::new();
        if text.is_file() {
            for line in TextLines::read(&text)?.lines() {
                match read(&line, &classes).map_err(|e| line.at(e))? {
                    Some(annotation) => annotations.push(annotation),
                    None => dropped += 1,
                }
            }
        } else {
            without += 1;
        }
        images.push(AnnotatedImage { path: file, size: None, annotations });
    }
    let mut notes = Vec::new();
    if dropped > 0 {
        notes.push(format!("{dropped} boxes without area were left out"));
    }
    if without > 0 {
        notes.push(format!("{without} images have no text file, so no objects"));
    }
    Ok((AnnotatedList::new(images, classes, options), notes))
}

fn read(line: &Line<'_>, classes: &[String]) -> Result<Option<Annotation>> {
    let mut fields = line.text.split_whitespace();
    let form = || {
        Error::user(format!("`{}` is no line of numbers", line.text))
            .help("write CLASS X Y WIDTH HEIGHT, or CLASS X Y X Y X Y …")
    };
    let class: u32 = fields.next().and_then(|f| f.parse().ok()).ok_or_else(form)?;
    if class as usize >= classes.len() {
        return Err(Error::user(format!("unknown class {class} of {}", classes.len()))
            .help("name more classes, or correct it"));
    }
    let numbers: Vec<f64> = fields.map(|f| f.parse().map_err(|_| form())).collect::<Result<_>>()?;
    let (bounds, shape) = match numbers[..] {
        [x, y, width, height] => {
            (BoundingBox::new(x - width / 2.0, y - height / 2.0, width, height), Shape::Unknown)
        }
        _ if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => {
            let span = |axis: usize| {
                let values = || numbers.iter().skip(axis).step_by(2).copied();
                (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
            };
            let ((left, right), (top, bottom)) = (span(0), span(1));
            (BoundingBox::from_edges(left, top, right, bottom), Shape::Polygons(vec![numbers]))
        }
        _ => return Err(form()),
    };
    let bounds = fitted(bounds, 1.0, 1.0, SLACK)?;
    Ok(bounds.map(|bounds| Annotation { class, bounds, shape, area: None, crowd: false, ignore: false }))
}

/// `yolo`
pub struct Yolo;

impl Reader<dyn DetectionData> for Yolo {
    type Settings = NamedImageFiles;

    fn open(keys: &NamedImageFiles, spec: &DataSpec, split: Split) -> Result<Opened<dyn DetectionData>> {
        let options = spec.decode(keys.max_pixels);
        let (list, notes) = open(spec.path()?, &keys.classes, split, options)?;
        Ok(Opened::new(Arc::new(list) as Arc<dyn DetectionData>).notes(notes))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::detection::<Yolo>(
        "yolo",
        "YOLO's text files: boxes or polygons relative to the image; detection",
        "images/{train,val|test}, labels/{train,val|test}/*.txt; classes.txt, obj.names or data.yaml",
    )
}

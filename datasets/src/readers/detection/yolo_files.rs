//! Where the images and text files of a set in YOLO's form are.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use super::yolo_yaml::Description;
use crate::formats::image_files::image_files;
use crate::formats::text_lines::TextLines;
use crate::part_names::NamedParts;
use crate::split::Split;

/// A part's images, or those of the whole set where it has no test part.
pub(super) struct Found {
    pub(super) images: Vec<PathBuf>,
    pub(super) part: String,
    pub(super) whole: bool,
    pub(super) notes: Vec<String>,
}

/// The text file of an image: under `labels` in place of `images`, as Ultralytics looks for it, else beside it.
pub(super) fn label_of(image: &Path) -> PathBuf {
    let beside = image.with_extension("txt");
    let parts: Vec<_> = beside.iter().collect();
    match parts.iter().rposition(|part| *part == "images") {
        Some(at) => {
            let swapped: PathBuf =
                parts[..at].iter().chain([&"labels".as_ref()]).chain(&parts[at + 1..]).collect();
            if beside.is_file() && !swapped.is_file() { beside } else { swapped }
        }
        None => beside,
    }
}

fn has_labels(images: &[PathBuf]) -> bool {
    images.iter().any(|image| label_of(image).is_file())
}

/// Finds the images of a part.
///
/// # Errors
/// No images with text files.
pub(super) fn find(root: &Path, description: Option<&Description>, split: Split) -> Result<Found> {
    type Images<'a> = Box<dyn Fn(&str) -> Result<Vec<PathBuf>> + 'a>;
    let described = description.map(Description::parts).unwrap_or_default();
    let within = root.join("images");
    let inner = NamedParts::folders(&within)?;
    let (folders, above) =
        if inner.is_empty() { (NamedParts::folders(root)?, root.to_owned()) } else { (inner, within) };
    let has = |parts: &NamedParts, split| parts.candidates(split).next().is_some();
    let has_both = |parts: &NamedParts| has(parts, Split::Train) && has(parts, Split::Test);
    // A description that names no test part doesn't hide the one that there is.
    let follow = has_both(&described) || has(&described, Split::Train) && !has_both(&folders);
    let (parts, images): (NamedParts, Images<'_>) = match description.filter(|_| follow) {
        Some(description) => (described, Box::new(|part| description.images(part))),
        None => (folders, Box::new(move |part| image_files(&above.join(part)))),
    };
    let labelled = |split: Split| -> Result<Option<(String, Vec<PathBuf>)>> {
        let candidates: Vec<&str> = parts.candidates(split).collect();
        for (i, part) in candidates.iter().copied().enumerate() {
            let images = match images(part) {
                // A description may name a test part that wasn't fetched: validation is measured then.
                Err(_) if split == Split::Test && i + 1 < candidates.len() => continue,
                images => images?,
            };
            if has_labels(&images) {
                return Ok(Some((part.to_owned(), images)));
            }
        }
        Ok(None)
    };
    let none = || {
        Error::user(format!("no folders of images and text files for the {split} part"))
            .at(root.display())
            .help(format!(
                "make `images/{0}` and `labels/{0}`",
                if split == Split::Train { "train" } else { "val" }
            ))
    };
    if parts.is_empty() {
        // No parts: all that there is.
        let folder = root.join("images");
        let images = image_files(if folder.is_dir() { &folder } else { root })?;
        let found = Found { images, part: String::new(), whole: true, notes: vec![] };
        return if has_labels(&found.images) { Ok(found) } else { Err(none()) };
    }
    let (train, test) = (labelled(Split::Train)?, labelled(Split::Test)?);
    let mut notes = vec![];
    if let (Some((train, a)), Some((test, b))) = (&train, &test)
        && a == b
    {
        notes.push(format!("`{train}` and `{test}` are the same images: scores tell nothing of new ones"));
    }
    let whole = test.is_none();
    let (part, images) = match split {
        Split::Test if !whole => test,
        _ => train,
    }
    .ok_or_else(none)?;
    Ok(Found { images, part, whole, notes })
}

/// The names of the classes: of data.yaml, or the lines of classes.txt or obj.names.
///
/// # Errors
/// None of them.
pub(super) fn class_names(root: &Path, description: Option<&Description>) -> Result<Vec<String>> {
    if let Some(classes) = description.map(Description::classes).transpose()?.flatten() {
        return Ok(classes);
    }
    for name in ["classes.txt", "obj.names", "labels/classes.txt"] {
        let list = root.join(name);
        if list.is_file() {
            return TextLines::read(&list)?.entries();
        }
    }
    Err(Error::user("no names of the classes")
        .at(root.display())
        .help("write them to classes.txt, one a line, or set data.reader.classes=[…]"))
}

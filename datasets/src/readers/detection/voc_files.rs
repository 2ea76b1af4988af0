//! Where the annotations and images of a set in VOC's form are.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use palimpsest_core::data::Split;
use palimpsest_core::{Error, Result};

use crate::formats::image_files::{image_files, regular_files, stem, sub_folders};
use crate::formats::text_lines::{Line, TextLines};
use crate::part_names::{NamedParts, PartKind};

/// The folder of one year; the latest of those in a development kit; else the folder that has `JPEGImages`, or the
/// one in it that has.
pub(crate) fn voc_root(path: &Path) -> Result<PathBuf> {
    let years = ["VOC2012", "VOC2011", "VOC2010", "VOC2009", "VOC2008", "VOC2007"];
    let names: Vec<String> =
        years.iter().flat_map(|year| [(*year).to_owned(), format!("VOCdevkit/{year}")]).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let below: Vec<String> = sub_folders(path)
        .iter()
        .filter_map(|folder| folder.file_name()?.to_str().map(str::to_owned))
        .collect();
    names.extend(below.iter().map(String::as_str));
    crate::formats::unpacked::unpacked(path, &names, "JPEGImages")
}

/// The folder of the lists of a task: below `ImageSets`, or that itself.
pub(crate) fn lists_folder(root: &Path, task: &str) -> PathBuf {
    let all = root.join("ImageSets");
    let own = all.join(task);
    let has_lists = regular_files(&all)
        .is_ok_and(|files| files.iter().any(|file| file.extension().is_some_and(|e| e == "txt")));
    if !own.is_dir() && has_lists { all } else { own }
}

/// The lists of a folder of `ImageSets`. Those with a word before the part's name (`cat_train.txt`) are of single
/// classes where there are others, and the set's own where not.
pub(crate) fn lists(folder: &Path) -> Result<NamedParts> {
    let mut names = vec![];
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
            let file = entry.map_err(|e| Error::io(folder, &e))?.path();
            let name = stem(&file);
            if file.is_file() && file.extension().is_some_and(|e| e == "txt") {
                names.push(name);
            }
        }
    }
    if names.iter().any(|name| !name.contains('_') && PartKind::of_name(name).is_some()) {
        names.retain(|name| !name.contains('_'));
    } else {
        let words: HashSet<&str> = names.iter().filter_map(|name| Some(name.rsplit_once('_')?.0)).collect();
        if words.len() > 1 {
            names.clear();
        }
    }
    names.sort_unstable();
    Ok(NamedParts::of(names))
}

/// The name on a line of a list: all of it, where there is such a file, or else its first column.
pub(crate) fn name_on<'a>(line: &Line<'a>, exists: impl Fn(&str) -> bool) -> &'a str {
    if exists(line.text) {
        return line.text;
    }
    let first = line.text.split_whitespace().next().unwrap_or(line.text);
    let is_image = crate::decode::is_image(Path::new(first));
    match first.rsplit_once('.') {
        Some((name, _)) if is_image && !exists(first) => name,
        _ => first,
    }
}

/// Images by their paths below a folder, without the endings.
pub(crate) struct ImagesByName(HashMap<String, Vec<PathBuf>>);

impl ImagesByName {
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let mut all: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for file in image_files(folder)? {
            all.entry(name_below(folder, &file)).or_default().push(file);
        }
        Ok(Self(all))
    }

    /// The image of a name; of several, the one of the file name `told`.
    pub(crate) fn find(&self, name: &str, told: Option<&str>) -> Option<&PathBuf> {
        let files = self.0.get(name)?;
        let is_told = |file: &&PathBuf| told.is_some_and(|told| file.ends_with(told));
        files.iter().find(is_told).or_else(|| files.first())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn name_below(folder: &Path, file: &Path) -> String {
    let below = file.strip_prefix(folder).unwrap_or(file).with_extension("");
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The annotation of an image.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) xml: PathBuf,
    /// The line of the list that names it, for messages.
    pub(super) location: Option<String>,
}

/// A part, or the whole set where it has no test part.
pub(super) struct Found {
    pub(super) root: PathBuf,
    pub(super) images: PathBuf,
    pub(super) entries: Vec<Entry>,
    pub(super) part: String,
    pub(super) whole: bool,
    /// The folders with annotations of all parts.
    pub(super) annotations: Vec<PathBuf>,
}

/// The XML files of a folder.
pub(super) fn xml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = regular_files(folder)?;
    files.retain(|file| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml")));
    Ok(files)
}

fn all_of(folder: &Path) -> Result<Vec<Entry>> {
    let entry = |xml: PathBuf| Entry { name: name_below(folder, &xml), xml, location: None };
    Ok(xml_files(folder)?.into_iter().map(entry).collect())
}

/// Finds the annotations of a part.
///
/// # Errors
/// No annotations, a list that names an image twice.
pub(super) fn find(path: &Path, split: Split) -> Result<Found> {
    let (root, images, annotations) = match voc_root(path) {
        Ok(root) => {
            let (images, annotations) = (root.join("JPEGImages"), root.join("Annotations"));
            (root, images, annotations)
        }
        Err(error) => return find_elsewhere(path, split)?.ok_or(error),
    };
    let folder = lists_folder(&root, "Main");
    let lists = lists(&folder)?;
    let annotated = |name: &str| annotations.join(format!("{name}.xml"));
    let read = |part: &str| TextLines::read(&folder.join(format!("{part}.txt")));
    let named = |line: &Line<'_>| name_on(line, |name| annotated(name).is_file()).to_owned();
    // Test images of VOC's later years come without objects: then validation is the test part.
    let mut test = None;
    for part in lists.candidates(Split::Test) {
        if read(part)?.lines().next().is_some_and(|line| annotated(&named(&line)).is_file()) {
            test = Some(part.to_owned());
            break;
        }
    }
    let is_test = |part: &String| PartKind::of_name(part) == Some(PartKind::Test);
    let both = folder.join("trainval.txt").is_file();
    let train = match &test {
        Some(part) if is_test(part) && both => Some("trainval".to_owned()),
        _ => lists.candidates(Split::Train).next().map(str::to_owned).or(both.then(|| "trainval".to_owned())),
    };
    let whole = test.is_none();
    let part = if split == Split::Test && !whole { test } else { train };
    let found = |entries, part| {
        let annotations = vec![annotations.clone()];
        Found { root: root.clone(), images: images.clone(), entries, part, whole, annotations }
    };
    let Some(part) = part else {
        if !lists.is_empty() {
            return Err(Error::user(format!("no list of the {split} part"))
                .at(folder.display())
                .help("write train.txt and val.txt, or remove the lists"));
        }
        return Ok(found(all_of(&annotations)?, String::new()));
    };
    let (mut entries, mut known) = (vec![], HashSet::new());
    for line in read(&part)?.lines() {
        let name = named(&line);
        if !known.insert(name.clone()) {
            return Err(
                line.at(Error::user(format!("`{name}` is listed twice")).help("list each image once"))
            );
        }
        entries.push(Entry { xml: annotated(&name), name, location: Some(line.location()) });
    }
    if entries.is_empty() {
        let list = folder.join(format!("{part}.txt"));
        return Err(Error::user("the list is empty").at(list.display()).help("copy it again"));
    }
    Ok(found(entries, part))
}

/// Annotations in folders of other names: beside the images, or `annotations` beside `images`, of parts or of all.
fn find_elsewhere(path: &Path, split: Split) -> Result<Option<Found>> {
    let has_xml = |folder: &Path| xml_files(folder).is_ok_and(|files| !files.is_empty());
    let parts = NamedParts::folders(path)?;
    let candidate = |split| parts.candidates(split).find(|part| has_xml(&path.join(part)));
    let (train, test) = (candidate(Split::Train), candidate(Split::Test));
    if let Some(train) = train {
        let whole = test.is_none();
        let part = if split == Split::Test { test.unwrap_or(train) } else { train };
        let folder = path.join(part);
        let annotations = [Some(train), test].into_iter().flatten().map(|part| path.join(part)).collect();
        let (entries, part, root) = (all_of(&folder)?, part.to_owned(), path.to_owned());
        return Ok(Some(Found { root, images: folder, entries, part, whole, annotations }));
    }
    let folder_of = |names: &[&str]| {
        let all = sub_folders(path);
        let is = |folder: &PathBuf, name: &str| {
            folder.file_name().is_some_and(|own| own.to_string_lossy().eq_ignore_ascii_case(name))
        };
        names.iter().find_map(|name| all.iter().find(|folder| is(folder, name)).cloned())
    };
    let annotations = folder_of(&["annotations", "labels", "xml", "xmls"]).unwrap_or_else(|| path.to_owned());
    if !path.is_dir() || !has_xml(&annotations) {
        return Ok(None);
    }
    let images = folder_of(&["images", "image", "imgs"]).unwrap_or_else(|| path.to_owned());
    let (entries, part, root) = (all_of(&annotations)?, String::new(), path.to_owned());
    Ok(Some(Found { root, images, entries, part, whole: true, annotations: vec![annotations] }))
}

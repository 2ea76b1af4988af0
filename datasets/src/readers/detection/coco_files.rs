//! Where the JSON files of a set in COCO's form are, and the images that they name.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use super::coco_form::CocoFile;
use crate::formats::image_files::{folder_of, is_hidden, stem, sub_folders};
use crate::formats::json::read_json;
use crate::part_names::PartKind;
use crate::split::Split;

/// The file of a part, read.
pub(super) struct Chosen {
    pub(super) json: PathBuf,
    pub(super) content: CocoFile,
    /// What the part is called; empty for a file that isn't named after one.
    pub(super) part: String,
    /// Whether the file is all that there is, so that a part of it is to be held out.
    pub(super) whole: bool,
    pub(super) notes: Vec<String>,
}

/// A JSON file and the part that it is named after.
#[derive(Debug, Clone)]
struct Candidate {
    json: PathBuf,
    part: Option<(PartKind, String)>,
}

/// Annotations of other kinds, which COCO has beside those of objects.
const OTHER_KINDS: [&str; 5] = ["captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_"];

impl Candidate {
    fn of(root: &Path, json: PathBuf) -> Self {
        let own = part_in(&stem(&json));
        let part = own.or_else(|| {
            let folder = json.parent().filter(|folder| *folder != root)?.file_name()?.to_str()?;
            Some((PartKind::of_name(folder)?, folder.to_owned()))
        });
        Self { json, part }
    }

    /// COCO's own names and places come first.
    fn rank(&self, root: &Path) -> (bool, usize, bool) {
        let name = self.json.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = self.json.parent().unwrap_or(root);
        let place = if folder.ends_with("annotations") { 0 } else { 1 + usize::from(folder == root) };
        // `instances_val2017_small.json` is another list beside `instances_val2017.json`.
        let whole = PartKind::of_name(&stem(&self.json)).is_some();
        (!name.starts_with("instances_"), place, !whole)
    }
}

/// The one part that a name speaks of: of `instances_train2017`, `train2017`.
fn part_in(name: &str) -> Option<(PartKind, String)> {
    let mut parts =
        name.split(['_', '-', '.', ' ']).filter_map(|word| Some((PartKind::of_name(word)?, word.to_owned())));
    let first = parts.next()?;
    parts.all(|(kind, _)| kind == first.0).then_some(first)
}

/// The JSON files of `root` and its sub-folders.
fn candidates(root: &Path) -> Vec<Candidate> {
    let mut all = vec![];
    for folder in std::iter::once(root.to_owned()).chain(sub_folders(root)) {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        all.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
            let is_json = Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
            is_json
                && !is_hidden(name.as_ref())
                && !OTHER_KINDS.iter().any(|kind| name.starts_with(kind))
                && path.is_file()
        }));
    }
    // Of several years the latest comes first.
    all.sort_unstable_by(|a, b| b.cmp(a));
    let mut all: Vec<Candidate> = all.into_iter().map(|json| Candidate::of(root, json)).collect();
    all.sort_by_key(|candidate| candidate.rank(root));
    all
}

/// Finds and reads the file of a part.
///
/// # Errors
/// No such file, several that aren't named after parts, a file that isn't of COCO's form.
pub(super) fn choose(root: &Path, split: Split) -> Result<Chosen> {
    let read = |json: &Path, part: String, whole: bool| -> Result<Chosen> {
        let content = read_json(json)?;
        Ok(Chosen { json: json.to_owned(), content, part, whole, notes: vec![] })
    };
    if root.is_file() {
        return read(root, String::new(), true);
    }
    if !root.is_dir() {
        return Err(Error::user("no such file or folder").at(root.display()).help("check the path"));
    }
    let all = candidates(root);
    let of_kind = |kind: PartKind| {
        all.iter().filter_map(move |candidate| {
            let (own, name) = candidate.part.as_ref()?;
            (*own == kind).then_some((&*candidate.json, name.clone()))
        })
    };
    let train: Vec<_> = of_kind(PartKind::Train).collect();
    let tests: Vec<_> = of_kind(PartKind::Test).chain(of_kind(PartKind::Validation)).collect();
    match (&train[..], &tests[..], split) {
        ([(json, name), ..], [], _) => return read(json, name.clone(), true),
        ([first, others @ ..], _, Split::Train) => {
            let mut chosen = read(first.0, first.1.clone(), false)?;
            // Another year or place of the same part may be meant.
            let beside: Vec<String> = others.iter().map(|(json, _)| json.display().to_string()).collect();
            if !beside.is_empty() {
                let read = first.0.display();
                chosen.notes.push(format!("`{read}` is read for training, not `{}`", beside.join("`, `")));
            }
            return Ok(chosen);
        }
        (_, [.., last], Split::Test) => {
            for (json, name) in &tests {
                let mut chosen = read(json, name.clone(), false)?;
                // Test parts whose objects are withheld can't be measured on.
                if !chosen.content.annotations.is_empty() || *json == last.0 {
                    let beside = tests.iter().filter(|(other, of)| other != json && of == name);
                    let beside: Vec<String> = beside.map(|(other, _)| other.display().to_string()).collect();
                    if !beside.is_empty() {
                        let read = json.display();
                        chosen.notes.push(format!("`{read}` is measured on, not `{}`", beside.join("`, `")));
                    }
                    return Ok(chosen);
                }
            }
        }
        _ => {}
    }
    let unnamed: Vec<&Candidate> = all.iter().filter(|candidate| candidate.part.is_none()).collect();
    match (&unnamed[..], train.is_empty() && tests.is_empty()) {
        ([only], true) => read(&only.json, String::new(), true),
        ([_, _, ..], true) => {
            let names: Vec<String> = unnamed.iter().map(|c| c.json.display().to_string()).collect();
            Err(Error::user(format!("`{}` are not named after parts", names.join("`, `")))
                .at(root.display())
                .help("name them train.json and val.json, or give data.path=FILE"))
        }
        _ => {
            let part = if split == Split::Train { "train2017" } else { "val2017" };
            Err(Error::user(format!("no annotations of the {split} part"))
                .at(root.display())
                .help(format!("put them at `annotations/instances_{part}.json`")))
        }
    }
}

/// The folders that the images of a file may be in, the likeliest first.
pub(super) fn image_folders(root: &Path, json: &Path, part: &str) -> Vec<PathBuf> {
    let own = folder_of(json);
    let root = if root.is_file() { own } else { root };
    let above = own.parent().unwrap_or(own);
    let mut folders = vec![];
    if !part.is_empty() {
        folders.extend([root.join(part), root.join("images").join(part), root.join(part).join("images")]);
        // Named otherwise than its images: `train.json` beside `train2017/`.
        let kind = PartKind::of_name(part);
        for within in [root.to_owned(), root.join("images")] {
            folders.extend(sub_folders(&within).into_iter().filter(|folder| {
                folder.file_name().and_then(|name| name.to_str()).and_then(PartKind::of_name) == kind
            }));
        }
    }
    folders.extend([own.to_owned(), own.join("images"), root.join("images"), root.to_owned()]);
    if own.ends_with("annotations") || root == own {
        folders.extend([above.join("images"), above.to_owned()]);
    }
    folders.push(root.join("JPEGImages"));
    let mut seen = std::collections::HashSet::new();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    if folders.is_empty() {
        folders.push(root.to_owned());
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_the_names_of_files() {
        let kind = |name: &str| part_in(name);
        assert_eq!(kind("instances_train2017"), Some((PartKind::Train, "train2017".to_owned())));
        assert_eq!(kind("train_annotations.coco"), Some((PartKind::Train, "train".to_owned())));
        assert_eq!(kind("bdd100k_labels_images_val"), Some((PartKind::Validation, "val".to_owned())));
        assert_eq!(kind("train_val"), None, "of both");
        assert_eq!(kind("_annotations.coco"), None);
    }
}

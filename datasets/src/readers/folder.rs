//! A folder of images, with a sub-folder per class or without classes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::error::listed;
use palimpsest_core::head::counted;
use palimpsest_core::{Error, Result};
use walkdir::{DirEntry, WalkDir};

use crate::class_agreement::strange_class;
use crate::decode::{DecodeOptions, EXTENSIONS, decode_file, is_image, unread_kind};
use crate::formats::other_layout::other_layout;
use crate::part_names::{NamedParts, PartKind};
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, hold_out};

/// The images under a folder, in the order of their paths.
///
/// The sub-folders with images are the classes, in the order of their names, if they hold nearly all of them
/// ([`STRAY`]); else there are no classes. Either way images are looked for at any depth. Hidden files and
/// folders are passed over; links are followed.
pub struct FolderDataset {
    root: PathBuf,
    files: Vec<Box<Path>>,
    labels: Vec<u32>,
    classes: Vec<String>,
    notes: Vec<String>,
    passed_over: usize,
    /// How many of those are images of a kind that isn't read.
    unread: BTreeMap<&'static str, usize>,
    options: DecodeOptions,
}

/// The share of images that may lie beside the folders of classes: an overview, a thumbnail. They are passed over.
pub const STRAY: f64 = 0.1;

impl FolderDataset {
    /// Opens a folder. With `classes` (those of the training part), each sub-folder must be one.
    ///
    /// # Errors
    /// A folder that can't be read, has no images, or has a class that isn't among `classes`.
    pub fn open(root: &Path, classes: Option<&[String]>, options: DecodeOptions) -> Result<Self> {
        let mut found = Self::empty(root, options);
        let (folders, own) = found.classes_and_stray_images()?;
        match classes {
            Some(known) if !known.is_empty() && !folders.is_empty() => {
                if let Some(stray) = folders.iter().find(|f| !known.contains(f)) {
                    return Err(strange_class(known, &folders, stray).at(root.display()));
                }
                found.classes = known.to_vec();
            }
            _ => found.classes.clone_from(&folders),
        }
        if folders.is_empty() {
            found.collect(root, None)?;
        } else {
            found.passed_over += own.others;
            if own.images > 0 {
                let stray = counted(
                    own.images,
                    "image beside the folders of classes was",
                    "images beside the folders of classes were",
                );
                found.notes.push(format!("{}: {stray} passed over", root.display()));
            }
        }
        for folder in &folders {
            let label = found.classes.iter().position(|c| c == folder).map(|l| l as u32);
            found.collect(&root.join(folder), label)?;
        }
        if found.files.is_empty() {
            let mut help = other_layout(root, "")
                .unwrap_or_else(|| format!("give a folder with files of {}", EXTENSIONS.join(", ")));
            found.unread_notes().for_each(|note| help.push_str(&format!("; {note}")));
            return Err(Error::user(format!("no images ({} other files)", found.passed_over))
                .at(root.display())
                .help(help));
        }
        Ok(found)
    }

    fn empty(root: &Path, options: DecodeOptions) -> Self {
        Self {
            root: root.to_owned(),
            files: Vec::new(),
            labels: Vec::new(),
            classes: Vec::new(),
            notes: Vec::new(),
            passed_over: 0,
            unread: BTreeMap::new(),
            options,
        }
    }

    /// The folders that are classes, and what lies beside them.
    fn classes_and_stray_images(&mut self) -> Result<(Vec<String>, Own)> {
        let Listing { folders, without_images, own } = Listing::read(&self.root)?;
        if !folders.is_empty() && !without_images.is_empty() {
            self.notes.push(format!(
                "{}: no images of {} in {}",
                self.root.display(),
                EXTENSIONS.join(", "),
                listed(&without_images)
            ));
        }
        if own.images == 0 || folders.is_empty() {
            return Ok((folders, own));
        }
        let mut inside = 0;
        for folder in &folders {
            for entry in walk(&self.root.join(folder)) {
                inside += usize::from(is_image_file(&entry.map_err(|e| walk_error(&self.root, &e))?));
            }
        }
        if own.images as f64 <= STRAY * (own.images + inside) as f64 {
            return Ok((folders, own));
        }
        self.notes.push(format!(
            "{}: {} images lie beside {} folders with {inside} images, so the folders are not taken for classes",
            self.root.display(),
            own.images,
            folders.len()
        ));
        Ok((vec![], own))
    }

    fn collect(&mut self, folder: &Path, label: Option<u32>) -> Result<()> {
        for entry in walk(folder) {
            let entry = entry.map_err(|e| walk_error(folder, &e))?;
            if entry.file_type().is_dir() {
                continue;
            }
            if !is_image_file(&entry) {
                self.passed_over += 1;
                if let Some(kind) = unread_kind(entry.path()) {
                    *self.unread.entry(kind).or_default() += 1;
                }
                continue;
            }
            let relative = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            self.files.push(relative.into());
            self.labels.extend(label);
        }
        Ok(())
    }

    /// What the user may want to know, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.passed_over > 0 {
            let files =
                counted(self.passed_over, "file that is no image was", "files that are no images were");
            notes.push(format!("{files} passed over"));
        }
        notes.extend(self.unread_notes());
        notes
    }

    fn unread_notes(&self) -> impl Iterator<Item = String> {
        self.unread.iter().map(|(kind, &count)| {
            let (files, are, them) =
                if count == 1 { ("file was", "isn't", "it") } else { ("files were", "aren't", "them") };
            format!("{count} {kind} {files} passed over, which {are} read: convert {them} to PNG")
        })
    }

    /// How many files were passed over because their names don't end like an image's.
    pub fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// The path of a sample relative to the folder, with `/`: its key for a held-out part.
    pub fn key(&self, index: usize) -> String {
        let parts: Vec<_> = self.files[index].iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// A file that can be read to its end (no pipe or device), named like an image.
fn is_image_file(entry: &DirEntry) -> bool {
    entry.file_type().is_file() && is_image(entry.path())
}

/// Everything under a folder that isn't hidden, in the order of names.
fn walk(folder: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|e| e.depth() == 0 || !is_hidden(e.file_name()))
}

fn walk_error(folder: &Path, error: &walkdir::Error) -> Error {
    let location = error.path().unwrap_or(folder);
    match error.io_error() {
        Some(io) => Error::io(location, io),
        None => Error::user(error.to_string()).at(location.display()).help("remove the link"),
    }
}

/// Files that lie in a folder itself.
struct Own {
    images: usize,
    others: usize,
}

/// What a folder has, as far as names tell.
struct Listing {
    /// The sub-folders with an image at any depth, in the order of their names.
    folders: Vec<String>,
    /// Those with other files alone.
    without_images: Vec<String>,
    own: Own,
}

impl Listing {
    /// # Errors
    /// A folder that can't be read, or a name that isn't Unicode.
    fn read(root: &Path) -> Result<Self> {
        let mut listing = Self { folders: vec![], without_images: vec![], own: Own { images: 0, others: 0 } };
        for entry in std::fs::read_dir(root).map_err(|e| Error::io(root, &e))? {
            let path = entry.map_err(|e| Error::io(root, &e))?.path();
            let Some(name) = path.file_name().filter(|name| !is_hidden(name)) else { continue };
            if path.is_dir() {
                let has = |what: fn(&DirEntry) -> bool| {
                    walk(&path).any(|entry| entry.is_ok_and(|entry| what(&entry)))
                };
                let images = has(is_image_file);
                if !images && !has(|entry| entry.file_type().is_file()) {
                    continue;
                }
                let name = name.to_str().ok_or_else(|| {
                    Error::user("the folder's name is not Unicode").at(path.display()).help("rename it")
                })?;
                let list = if images { &mut listing.folders } else { &mut listing.without_images };
                list.push(name.to_owned());
            } else if path.is_file() && is_image(&path) {
                listing.own.images += 1;
            } else {
                listing.own.others += 1;
            }
        }
        listing.folders.sort_unstable();
        listing.without_images.sort_unstable();
        Ok(listing)
    }
}

impl Dataset for FolderDataset {
    fn len(&self) -> usize {
        self.files.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index).copied()
    }
    fn load(&self, index: usize) -> Result<Image> {
        decode_file(&self.root.join(&self.files[index]), self.options)
    }
    fn location(&self, index: usize) -> String {
        self.root.join(&self.files[index]).display().to_string()
    }
    fn name(&self, index: usize) -> Option<String> {
        Some(self.key(index))
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        Some(Encoded::File(self.root.join(&self.files[index])))
    }
}

/// `folder`
pub struct Folder;

impl Reader for Folder {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let (root, options) = (spec.path()?, spec.decode(keys.max_pixels));
        if root.is_file() {
            return Err(Error::user("this is a file").at(root.display()).help(
                other_layout(root, "").unwrap_or_else(|| "give the folder that has the images".to_owned()),
            ));
        }
        let (root, inner) = unpacked(root, false)?;
        let root = &*root;
        let parts = Parts::find(root)?;
        let open = |part: &str, classes: Option<&[String]>| {
            let folder = root.join(part);
            let (folder, inner) = if part.is_empty() { (folder, None) } else { unpacked(&folder, true)? };
            let data = FolderDataset::open(&folder, classes, options)?;
            let mut notes = data.notes();
            notes.extend(inner);
            Ok::<_, Error>((data, notes))
        };
        // The key of a held-out sample is its path below the folder that is split.
        let split_one = |part: &str| {
            let (data, notes) = open(part, None)?;
            let opened = hold_out(data, spec, split, FolderDataset::key);
            Ok::<Opened, Error>(opened.map_err(|e| e.at(root.join(part).display()))?.notes(notes))
        };
        let opened = match (&parts.train, &parts.tests[..]) {
            (None, []) => split_one("")?,
            (Some(only), []) => split_one(only)?.notes([format!("the only part is `{only}`")]),
            (None, [only]) => split_one(only)?.notes([format!("the only part is `{only}`")]),
            (None, tests) => {
                return Err(Error::user(format!("there are {} but no training part", tests.join(" and ")))
                    .at(root.display())
                    .help("give the folder of one part, or name the one to train on `train`"));
            }
            (Some(train), tests) => {
                if split == Split::Train {
                    let (data, notes) = open(train, None)?;
                    Opened::new(Arc::new(data) as Arc<dyn Dataset>).part(train).notes(notes)
                } else {
                    let (folder, _) = unpacked(&root.join(train), true)?;
                    let classes = FolderDataset::empty(&folder, options).classes_and_stray_images()?.0;
                    // Some sets (ImageNet) have test images without classes beside a validation part with them.
                    let labelled = |part: &&String| {
                        Listing::read(&root.join(part)).is_ok_and(|found| !found.folders.is_empty())
                    };
                    let test = match &classes[..] {
                        [] => &tests[0],
                        _ => tests.iter().find(labelled).unwrap_or(&tests[0]),
                    };
                    // Of a choice of classes, one that the training part lacks may be among those that aren't chosen.
                    let (data, notes) = open(test, spec.classes.is_empty().then_some(&classes))?;
                    let unread: Vec<&str> =
                        tests.iter().filter(|part| *part != test).map(String::as_str).collect();
                    let unread = (!unread.is_empty()).then(|| format!("{} is not read", unread.join(", ")));
                    Opened::new(Arc::new(data) as Arc<dyn Dataset>).part(test).notes(notes).notes(unread)
                }
            }
        };
        let classes = opened.dataset.classes();
        let looks_annotated = !classes.is_empty() && classes.iter().all(|name| ANNOTATED.contains(&&**name));
        let hint = looks_annotated.then(|| {
            format!(
                "classes called {} look like images with label maps: data.name=index-png",
                classes.join(", ")
            )
        });
        Ok(opened.notes(inner).notes(parts.notes).notes(hint))
    }
}

/// Folders of sets with label maps, which are no classes.
const ANNOTATED: [&str; 8] =
    ["images", "masks", "labels", "annotations", "image", "mask", "label", "annotation"];

/// The folder that has the parts or classes, where an archive was unpacked into a folder of its own. Within a part
/// that folder may be called as the part.
fn unpacked(root: &Path, within_part: bool) -> Result<(PathBuf, Option<String>)> {
    let (mut folder, mut note) = (root.to_owned(), None);
    loop {
        let Listing { folders, own, .. } = Listing::read(&folder)?;
        let [only] = &folders[..] else { return Ok((folder, note)) };
        if own.images > 0 || !within_part && PartKind::of_name(only).is_some() {
            return Ok((folder, note));
        }
        let inner = folder.join(only);
        let within = Listing::read(&inner)?;
        // A folder of images is a class, if the only one.
        if within.own.images > 0 {
            return Ok((folder, note));
        }
        note = Some(format!("the images are looked for in {}, the only folder", inner.display()));
        folder = inner;
    }
}

/// The parts of a folder.
#[derive(Default)]
struct Parts {
    train: Option<String>,
    /// Those that may be measured on, the first before the others.
    tests: Vec<String>,
    notes: Vec<String>,
}

impl Parts {
    fn find(root: &Path) -> Result<Self> {
        let Listing { folders, .. } = Listing::read(root)?;
        let named = NamedParts::of(folders.iter().cloned());
        let of = |split| named.candidates(split).map(str::to_owned).collect::<Vec<_>>();
        let (trains, tests) = (of(Split::Train), of(Split::Test));
        let others: Vec<&String> =
            folders.iter().filter(|name| !trains.contains(name) && !tests.contains(name)).collect();
        if trains.is_empty() && tests.is_empty() {
            return Ok(Self::default());
        }
        // A class may be called so too (a train among cars). Parts come in pairs, or alone.
        let pair = !trains.is_empty() && !tests.is_empty();
        if !pair && !others.is_empty() {
            let name = trains.first().or(tests.first()).map_or("", String::as_str);
            let flat = Listing::read(&root.join(name))?.folders.is_empty();
            if flat {
                let note = format!(
                    "`{name}` is taken for a class, beside {}; there is no other part",
                    listed(&others)
                );
                return Ok(Self { notes: vec![note], ..Self::default() });
            }
        }
        let mut notes = vec![];
        if !others.is_empty() {
            notes.push(format!("beside the parts, {} is not read", listed(&others)));
        }
        if trains.len() > 1 {
            notes.push(format!("of {}, {} is trained on", trains.join(" and "), trains[0]));
        }
        Ok(Self { train: trains.first().cloned(), tests, notes })
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Folder>(
        "folder",
        "JPEG, PNG, WebP, TIFF and NumPy images in a folder, with or without a sub-folder per class",
        "CLASS/**/*.jpg or **/*.jpg; optionally under train/ and test/ (or val/, valid/, Training/, seg_train/ …)",
    )
}

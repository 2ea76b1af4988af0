//! A folder of images, with a sub-folder per class or without classes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};
use walkdir::WalkDir;

use crate::decode::{DecodeOptions, EXTENSIONS, decode_file, is_image};
use crate::reader::{ImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, hold_out};

/// The images under a folder, in the order of their paths.
///
/// If the folder has sub-folders and no images of its own, the sub-folders are the classes, in the
/// order of their names; else there are no classes. Either way images are looked for at any depth.
/// Hidden files and folders are passed over; links are followed.
pub struct FolderDataset {
    root: PathBuf,
    files: Vec<Box<Path>>,
    labels: Vec<u32>,
    classes: Vec<String>,
    passed_over: usize,
    options: DecodeOptions,
}

impl FolderDataset {
    /// Opens a folder. With `classes` (those of the training part), each sub-folder must be one.
    ///
    /// # Errors
    /// A folder that can't be read, has no images, or has a class that isn't among `classes`.
    pub fn open(root: &Path, classes: Option<&[String]>, options: DecodeOptions) -> Result<Self> {
        let folders = class_folders(root)?;
        let classes = match classes {
            Some(known) if !known.is_empty() && !folders.is_empty() => {
                if let Some(stray) = folders.iter().find(|f| !known.contains(f)) {
                    let known = known.iter().map(String::as_str);
                    return Err(unknown_name("class", stray, known).at(root.display()));
                }
                known.to_vec()
            }
            _ => folders.clone(),
        };
        let mut found = Self {
            root: root.to_owned(),
            files: Vec::new(),
            labels: Vec::new(),
            classes,
            passed_over: 0,
            options,
        };
        if folders.is_empty() {
            found.collect(root, None)?;
        }
        for folder in &folders {
            let label = found.classes.iter().position(|c| c == folder).map(|l| l as u32);
            found.collect(&root.join(folder), label)?;
        }
        if found.files.is_empty() {
            return Err(Error::user(format!("no images ({} other files)", found.passed_over))
                .at(root.display())
                .help(format!("give a folder with files of {}", EXTENSIONS.join(", "))));
        }
        Ok(found)
    }

    fn collect(&mut self, folder: &Path, label: Option<u32>) -> Result<()> {
        let walk = WalkDir::new(folder)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|e| e.depth() == 0 || !is_hidden(e.file_name()));
        for entry in walk {
            let entry = entry.map_err(|e| {
                let location = e.path().unwrap_or(folder).to_owned();
                match e.io_error() {
                    Some(io) => Error::io(&location, io),
                    None => Error::user(e.to_string()).at(location.display()).help("remove the link"),
                }
            })?;
            if entry.file_type().is_dir() {
                continue;
            }
            if !is_image(entry.path()) {
                self.passed_over += 1;
                continue;
            }
            let relative = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            self.files.push(relative.into());
            self.labels.extend(label);
        }
        Ok(())
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

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The sub-folders that are classes: all, or none if the folder has images of its own.
///
/// # Errors
/// A folder that can't be read, or a name that isn't Unicode.
pub fn class_folders(root: &Path) -> Result<Vec<String>> {
    let mut classes = Vec::new();
    for entry in std::fs::read_dir(root).map_err(|e| Error::io(root, &e))? {
        let path = entry.map_err(|e| Error::io(root, &e))?.path();
        let Some(name) = path.file_name().filter(|name| !is_hidden(name)) else { continue };
        if path.is_dir() {
            let name = name.to_str().ok_or_else(|| {
                Error::user("the folder's name is not Unicode").at(path.display()).help("rename it")
            })?;
            classes.push(name.to_owned());
        } else if is_image(&path) {
            return Ok(Vec::new());
        }
    }
    classes.sort_unstable();
    Ok(classes)
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
}

/// `folder`
pub struct Folder;

impl Reader for Folder {
    type Settings = ImageFiles;

    fn open(keys: &ImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let (root, options) = (spec.path()?, spec.decode(keys.max_pixels));
        if root.is_file() {
            return Err(Error::user("this is a file")
                .at(root.display())
                .help("give the folder that has the images"));
        }
        let train = root.join("train");
        let tests: Vec<PathBuf> =
            ["test", "val", "validation"].iter().map(|name| root.join(name)).filter(|p| p.is_dir()).collect();
        let (mut opened, passed_over);
        if !train.is_dir() || tests.is_empty() {
            // Without both parts, one folder is split; its key is the path below that folder.
            let folder = if train.is_dir() { &train } else { root };
            let data = FolderDataset::open(folder, None, options)?;
            passed_over = data.passed_over();
            opened = hold_out(data, spec, split, FolderDataset::key).map_err(|e| e.at(folder.display()))?;
        } else if split == Split::Train {
            let data = FolderDataset::open(&train, None, options)?;
            passed_over = data.passed_over();
            opened = Opened::new(Arc::new(data));
        } else {
            let classes = class_folders(&train)?;
            // Some sets (ImageNet) have test images without classes beside a validation part with them.
            let labelled = tests.iter().find(|t| class_folders(t).is_ok_and(|c| !c.is_empty()));
            let folder = labelled.filter(|_| !classes.is_empty()).unwrap_or(&tests[0]);
            let data = FolderDataset::open(folder, Some(&classes), options)?;
            passed_over = data.passed_over();
            opened = Opened::new(Arc::new(data));
        }
        if passed_over > 0 {
            opened.notes.push(format!("{passed_over} files that are not images were passed over"));
        }
        Ok(opened)
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Folder>(
        "folder",
        "JPEG, PNG and WebP images in a folder, with or without a sub-folder per class",
        "CLASS/**/*.jpg or **/*.jpg; optionally under train/ and test/ (or val/, validation/)",
    )
}

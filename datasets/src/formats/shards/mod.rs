//! Data sets that lie in a few large files: which files there are, which part each belongs to, and what labels become.

mod braces;
pub(crate) mod class_names;
pub(crate) mod compressed;
pub(crate) mod parts;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use palimpsest_core::error::listed;
use palimpsest_core::shell::quoted;
use palimpsest_core::{Error, Result};

use self::compressed::{Refused, instead_of, is_compressed, unpacked};
use crate::formats::image_files::{folder_of, regular_files};
use crate::formats::other_layout::other_layout;
use crate::formats::text_lines::TextLines;
use crate::pack::gone;

/// The files of a data set, in order: those of a folder by their paths, those of a pattern or a list as these say.
pub(crate) struct ShardFiles {
    pub(crate) files: Vec<PathBuf>,
    /// The folder that all of them are below, as far as `data.path` tells: names of folders above it mean nothing.
    pub(crate) root: PathBuf,
    pub(crate) notes: Vec<String>,
}

impl ShardFiles {
    /// Those that `path` names: a folder, a pattern with braces, a file of the ending, or a text file with one a line,
    /// whose names are relative to its folder.
    ///
    /// # Errors
    /// No such file, or none of the ending: compressed files are named, with the command that unpacks them.
    pub(crate) fn find(path: &Path, ending: &str) -> Result<Self> {
        if path.is_dir() {
            return Self::of_folder(path, ending);
        }
        let text = path.to_string_lossy();
        // Where shards are named, their names have to be changed too.
        let (found, then) = if path.is_file() {
            let (root, notes) = (folder_of(path).to_owned(), Vec::new());
            match is_compressed(path, ending) || has_ending(path, ending) {
                true => {
                    let then = format!("give data.path={}", quoted(&without_packing(&text, ending)));
                    (Self { files: vec![path.to_owned()], root, notes }, then)
                }
                false => {
                    let then =
                        format!("write the names without what follows .{ending} into {}", quoted(&text));
                    (Self { files: Self::of_list(path, ending)?, root, notes }, then)
                }
            }
        } else {
            let files = Self::of_pattern(path, ending)?;
            // What comes before the first brace is the same for all.
            let fixed = text.split('{').next().and_then(|text| Some(text.rsplit_once('/')?.0));
            let root = PathBuf::from(fixed.unwrap_or("."));
            let then = format!("give data.path={}", quoted(&without_packing(&text, ending)));
            (Self { files, root, notes: Vec::new() }, then)
        };
        let packed: Vec<PathBuf> =
            found.files.iter().filter(|file| is_compressed(file, ending)).cloned().collect();
        match packed.is_empty() {
            true => Ok(found),
            false => {
                let (of, root, then) = (found.files.len(), &*found.root, Some(then));
                Err(Refused { files: &packed, ending, of, root, then }.error())
            }
        }
    }

    fn of_folder(folder: &Path, ending: &str) -> Result<Self> {
        let all = regular_files(folder)?;
        let (files, others): (Vec<PathBuf>, Vec<PathBuf>) =
            all.into_iter().partition(|file| has_ending(file, ending));
        // One that was unpacked, and kept, is there.
        let (kept, packed): (Vec<PathBuf>, Vec<PathBuf>) = others
            .into_iter()
            .filter(|file| is_compressed(file, ending))
            .partition(|file| unpacked(file, ending).is_some_and(|file| files.contains(&file)));
        if !packed.is_empty() {
            let of = files.len() + packed.len();
            return Err(Refused { files: &packed, ending, of, root: folder, then: None }.error());
        }
        if files.is_empty() {
            return Err(Error::user(format!("no file called *.{ending} in the folder"))
                .at(folder.display())
                .help(other_layout(folder, ending).unwrap_or_else(|| {
                    format!("give the folder of the .{ending} files, or a pattern as {{train,val}}-{{000..146}}.{ending}")
                })));
        }
        let names: Vec<String> = kept.iter().map(|file| name_of(file)).collect();
        let notes = (!names.is_empty()).then(|| {
            format!("{}: {} is not read, but what was unpacked of it", folder.display(), listed(&names))
        });
        let gone = gone(folder, &files);
        Ok(Self { files, root: folder.to_owned(), notes: notes.into_iter().chain(gone).collect() })
    }

    fn of_pattern(path: &Path, ending: &str) -> Result<Vec<PathBuf>> {
        let Some(pattern) = path.to_str().filter(|text| text.contains('{')) else {
            return Err(Error::user("no such file or folder").at(path.display()).help("check the path"));
        };
        let names = braces::expanded(pattern).map_err(|e| e.at(pattern))?;
        present(names.into_iter().map(PathBuf::from).collect(), pattern, ending)
    }

    fn of_list(list: &Path, ending: &str) -> Result<Vec<PathBuf>> {
        let start = std::fs::read(list).map_err(|e| Error::io(list, &e))?;
        if start.contains(&0) {
            return Err(Error::user("neither a shard by its ending nor a text file that names shards")
                .at(list.display())
                .help("give the folder of the shards, or rename the file"));
        }
        let folder = folder_of(list);
        let mut files = Vec::new();
        for line in TextLines::read(list)?.lines().filter(|line| !line.text.starts_with('#')) {
            let names = braces::expanded(line.text).map_err(|e| line.at(e))?;
            files.extend(names.iter().map(|name| folder.join(name)));
        }
        if files.is_empty() {
            return Err(Error::user("the list is empty").at(list.display()).help("name a shard a line"));
        }
        present(files, &list.display().to_string(), ending)
    }
}

/// The files, all of which must be there.
fn present(files: Vec<PathBuf>, of: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let mut once = HashSet::new();
    if let Some(twice) = files.iter().find(|file| !once.insert(*file)) {
        return Err(Error::user(format!("the shard {} is named twice", twice.display()))
            .at(of)
            .help("name each shard once"));
    }
    let missing: Vec<&PathBuf> = files.iter().filter(|file| !file.is_file()).collect();
    let packed: Vec<PathBuf> = missing.iter().filter_map(|file| instead_of(file)).collect();
    if let Some(first) = packed.first() {
        let (root, then) = (folder_of(first), None);
        return Err(Refused { files: &packed, ending, of: files.len(), root, then }.error());
    }
    match missing.first() {
        None => Ok(files),
        Some(first) => Err(Error::user(format!(
            "{} of {} shards are missing, the first is {}",
            missing.len(),
            files.len(),
            first.display()
        ))
        .at(of)
        .help("copy them, or name those that are there")),
    }
}

fn has_ending(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending))
}

/// A pattern or path of compressed shards as that of the unpacked ones.
fn without_packing(text: &str, ending: &str) -> String {
    let file = Path::new(text);
    unpacked(file, ending).map_or_else(|| text.to_owned(), |file| file.to_string_lossy().into_owned())
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

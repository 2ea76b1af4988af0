//! Data sets that lie in a few large files: which files there are, which part each belongs to, and what labels become.

mod braces;
pub(crate) mod class_names;
pub(crate) mod parts;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use palimpsest_core::error::listed;
use palimpsest_core::{Error, Result};

use crate::formats::image_files::{folder_of, regular_files};
use crate::formats::text_lines::TextLines;

/// The files of a data set, in order: those of a folder by their paths, those of a pattern or a list as these say.
pub(crate) struct ShardFiles {
    pub(crate) files: Vec<PathBuf>,
use crate::pack::gone;
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
        let found = if path.is_dir() {
            Self::of_folder(path, ending)?
        } else if path.is_file() {
            let listed = compression(path).is_none() && !has_ending(path, ending);
            let files = if listed { Self::of_list(path)? } else { vec![path.to_owned()] };
            Self { files, root: folder_of(path).to_owned(), notes: Vec::new() }
        } else {
            let files = Self::of_pattern(path)?;
            // What comes before the first brace is the same for all.
            let text = path.to_string_lossy();
            let fixed = text.split('{').next().and_then(|text| Some(text.rsplit_once('/')?.0));
            Self { files, root: PathBuf::from(fixed.unwrap_or(".")), notes: Vec::new() }
        };
        match found.files.iter().find(|file| compression(file).is_some()) {
            Some(file) => Err(refused(file)),
            None => Ok(found),
        }
    }

    fn of_folder(folder: &Path, ending: &str) -> Result<Self> {
        let all = regular_files(folder)?;
        let (files, others): (Vec<PathBuf>, Vec<PathBuf>) =
            all.into_iter().partition(|file| has_ending(file, ending));
        let packed: Vec<PathBuf> = others.into_iter().filter(|file| compression(file).is_some()).collect();
        if files.is_empty() {
            return Err(match packed.first() {
                Some(file) => refused(file),
                None => Error::user(format!("no file called *.{ending} in the folder"))
                    .at(folder.display())
                    .help(format!("give the folder of the .{ending} files, or a pattern as {{train,val}}-{{000..146}}.{ending}")),
            });
        }
        let names: Vec<String> = packed.iter().map(|file| name_of(file)).collect();
        let notes = (!names.is_empty()).then(|| {
            format!(
                "{}: {} is not read: random access needs files that aren't compressed",
                folder.display(),
                listed(&names)
            )
        });
        let gone = gone(folder, &files);
        Ok(Self { files, root: folder.to_owned(), notes: notes.into_iter().chain(gone).collect() })
    }

    fn of_pattern(path: &Path) -> Result<Vec<PathBuf>> {
        let Some(pattern) = path.to_str().filter(|text| text.contains('{')) else {
            return Err(Error::user("no such file or folder").at(path.display()).help("check the path"));
        };
        let names = braces::expanded(pattern).map_err(|e| e.at(pattern))?;
        present(names.into_iter().map(PathBuf::from).collect(), pattern)
    }

    fn of_list(list: &Path) -> Result<Vec<PathBuf>> {
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
        present(files, &list.display().to_string())
    }
}

/// The files, all of which must be there.
fn present(files: Vec<PathBuf>, of: &str) -> Result<Vec<PathBuf>> {
    let mut once = HashSet::new();
    if let Some(twice) = files.iter().find(|file| !once.insert(*file)) {
        return Err(Error::user(format!("the shard {} is named twice", twice.display()))
            .at(of)
            .help("name each shard once"));
    }
    let missing: Vec<&PathBuf> = files.iter().filter(|file| !file.is_file()).collect();
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

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The program that unpacks a tar that is compressed, by its name.
fn compression(file: &Path) -> Option<&'static str> {
    let name = name_of(file).to_ascii_lowercase();
    let unpackers = [
        ([".tar.gz", ".tgz"], "gzip -d"),
        ([".tar.zst", ".tzst"], "zstd -d"),
        ([".tar.xz", ".txz"], "xz -d"),
        ([".tar.bz2", ".tbz2"], "bzip2 -d"),
    ];
    unpackers.into_iter().find(|(ends, _)| ends.iter().any(|end| name.ends_with(end))).map(|(_, with)| with)
}

/// The error of a compressed shard.
fn refused(file: &Path) -> Error {
    compressed(file, compression(file).unwrap_or("gzip -d"))
}

/// The error of a shard that must be unpacked with a command.
pub(crate) fn compressed(file: &Path, command: &str) -> Error {
    Error::user("the shard is compressed, so no sample in it can be read without all before it")
        .at(file.display())
        .help(format!("unpack it once: {command} '{}'", file.display()))
}

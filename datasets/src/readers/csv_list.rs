//! A list of images as comma-separated values (RFC 4180).
//!
//! The header names the columns: `path` is required, `label` (the class's name) is optional, others
//! are ignored. Relative paths are relative to the list's folder. An empty label means none.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use crate::decode::{DecodeOptions, decode_file};
use crate::reader::{NamedImageFiles, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, hold_out};

struct Row {
    path: String,
    label: Option<u32>,
}

/// The images of a list, in its order.
pub struct CsvList {
    folder: PathBuf,
    rows: Vec<Row>,
    classes: Vec<String>,
    options: DecodeOptions,
}

impl CsvList {
    /// Opens a list. Without `classes`, they are the labels that occur, sorted (by value if all are
    /// whole numbers); with `classes`, every label must be one of them.
    ///
    /// # Errors
    /// A list that can't be read, a wrong header, a row that is short, a file that is missing, a label
    /// that is not among `classes`: the error names the line.
    pub fn open(list: &Path, classes: Option<&[String]>, options: DecodeOptions) -> Result<Self> {
        let folder = list.parent().unwrap_or(Path::new("")).to_owned();
        let bytes = std::fs::read(list).map_err(|e| Error::io(list, &e))?;
        let mut reader = csv::ReaderBuilder::new().from_reader(&bytes[..]);
        let header = reader.headers().map_err(|e| broken(list, &bytes, &e))?.clone();
        let column = |name: &str| header.iter().position(|h| h.trim_start_matches('\u{feff}').trim() == name);
        let path_column = column("path").ok_or_else(|| {
            let names: Vec<_> = header.iter().collect();
            Error::user(format!("no column `path` in the header `{}`", names.join(",")))
                .at(format_args!("{}:1", list.display()))
                .help("let the first line be `path,label` or `path`")
        })?;
        let label_column = column("label");

        let mut found: Vec<(String, Option<String>, u64)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| broken(list, &bytes, &e))?;
            let line = record.position().map_or(0, |at| line_of(at, &bytes));
            let path = record.get(path_column).unwrap_or_default().to_owned();
            let at = |e: Error| e.at(format_args!("{}:{line}", list.display()));
            if path.is_empty() {
                return Err(at(Error::user("the path is empty").help("name an image, or remove the line")));
            }
            if !folder.join(&path).is_file() {
                return Err(at(Error::user(format!("no such file `{path}`"))
                    .help("paths are relative to the folder of the list")));
            }
            let label = label_column.and_then(|c| record.get(c)).map(str::trim).filter(|l| !l.is_empty());
            found.push((path, label.map(str::to_owned), line));
        }
        if found.is_empty() {
            return Err(Error::user("the list has no rows")
                .at(list.display())
                .help("add a line for each image"));
        }

        let classes = match classes {
            Some(known) if !known.is_empty() => known.to_vec(),
            _ => sorted_classes(found.iter().filter_map(|(_, label, _)| label.as_deref())),
        };
        let by_name: HashMap<&str, u32> =
            classes.iter().enumerate().map(|(i, name)| (name.as_str(), i as u32)).collect();
        let rows = found
            .into_iter()
            .map(|(path, label, line)| {
                let label = label
                    .map(|name| {
                        by_name.get(name.as_str()).copied().ok_or_else(|| {
                            unknown_name("class", &name, classes.iter().map(String::as_str))
                                .at(format_args!("{}:{line}", list.display()))
                        })
                    })
                    .transpose()?;
                Ok(Row { path, label })
            })
            .collect::<Result<_>>()?;
        Ok(Self { folder, rows, classes, options })
    }

    /// The path of a sample as the list has it: its key for a held-out part.
    pub fn key(&self, index: usize) -> String {
        self.rows[index].path.replace('\\', "/")
    }
}

/// The line of a record. The reader's position is before the empty lines that it skips.
fn line_of(at: &csv::Position, bytes: &[u8]) -> u64 {
    let from = bytes.get(at.byte() as usize..).unwrap_or_default();
    let skipped = from.iter().take_while(|b| b"\r\n".contains(b)).filter(|b| **b == b'\n').count();
    at.line() + skipped as u64
}

fn broken(list: &Path, bytes: &[u8], error: &csv::Error) -> Error {
    let line = error.position().map_or(1, |at| line_of(at, bytes));
    match error.kind() {
        csv::ErrorKind::Io(io) => Error::io(list, io),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::user(format!("{len} fields where the header has {expected_len}"))
                .at(format_args!("{}:{line}", list.display()))
                .help("put a field with a comma in double quotes")
        }
        csv::ErrorKind::Utf8 { .. } => Error::user("the line is not UTF-8")
            .at(format_args!("{}:{line}", list.display()))
            .help("save the list as UTF-8"),
        _ => Error::user(error.to_string())
            .at(format_args!("{}:{line}", list.display()))
            .help("write the list as comma-separated values (RFC 4180)"),
    }
}

fn sorted_classes<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<&str> = labels.collect::<BTreeSet<_>>().into_iter().collect();
    let numbers: Option<Vec<u64>> = names.iter().map(|name| name.parse().ok()).collect();
    if numbers.is_some() {
        names.sort_by_key(|name| name.parse::<u64>().unwrap_or(u64::MAX));
    }
    names.into_iter().map(str::to_owned).collect()
}

impl Dataset for CsvList {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.rows[index].label
    }
    fn load(&self, index: usize) -> Result<Image> {
        decode_file(&self.folder.join(&self.rows[index].path), self.options)
    }
    fn location(&self, index: usize) -> String {
        self.folder.join(&self.rows[index].path).display().to_string()
    }
}

/// `csv`
pub struct Csv;

impl Reader for Csv {
    type Settings = NamedImageFiles;

    fn open(keys: &NamedImageFiles, spec: &DataSpec, split: Split) -> Result<Opened> {
        let (path, options) = (spec.path()?, spec.decode(keys.max_pixels));
        if !path.is_dir() {
            let data = CsvList::open(path, Some(&keys.classes), options)?;
            return hold_out(data, spec, split, CsvList::key);
        }
        let train = CsvList::open(&path.join("train.csv"), Some(&keys.classes), options)?;
        let test = ["test.csv", "val.csv"].iter().map(|name| path.join(name)).find(|p| p.is_file());
        match (split, test) {
            (_, None) => hold_out(train, spec, split, CsvList::key),
            (Split::Train, Some(_)) => Ok(Opened::new(Arc::new(train))),
            (Split::Test, Some(list)) => {
                Ok(Opened::new(Arc::new(CsvList::open(&list, Some(train.classes()), options)?)))
            }
        }
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Csv>(
        "csv",
        "a list of image files, with or without labels",
        "a .csv with the header `path,label` or `path`; or a folder with train.csv and test.csv",
    )
}

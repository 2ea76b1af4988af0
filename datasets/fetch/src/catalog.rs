//! The table of public data sets.

use std::sync::OnceLock;

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

/// A data set that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The name on the command line.
    pub name: String,
    /// One line on what it is.
    pub summary: String,
    /// The licence, or the terms, as the owners state them.
    pub licence: String,
    /// The owners' page.
    pub page: String,
    /// The reader that opens it: `data.name` in a recipe.
    pub reader: String,
    /// What the reader is given, below the folder that the set is fetched into.
    #[serde(default)]
    pub path: String,
    /// Why it can't be fetched any more.
    #[serde(default)]
    pub gone: Option<String>,
    /// Its files.
    pub files: Vec<File>,
}

/// A file of a data set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name on disk.
    pub name: String,
    /// Where it is, the owners' own address first.
    pub urls: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
    /// MD5, where it is published.
    #[serde(default)]
    pub md5: Option<String>,
    /// SHA-256, where it is published.
    #[serde(default)]
    pub sha256: Option<String>,
    /// What is done with it once it is verified.
    #[serde(default)]
    pub unpack: Unpack,
}

/// How a file is unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unpack {
    /// It stays as it is.
    #[default]
    None,
    /// A tar archive.
    Tar,
    /// A tar archive within gzip.
    TarGz,
    /// A zip archive.
    Zip,
}

impl Set {
    /// The bytes of all its files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

impl File {
    /// The kinds of checksum that are published.
    pub fn checksums(&self) -> String {
        let kinds = [("sha256", &self.sha256), ("md5", &self.md5)];
        let known: Vec<&str> = kinds.iter().filter(|(_, sum)| sum.is_some()).map(|(kind, _)| *kind).collect();
        if known.is_empty() { "none published".to_owned() } else { known.join(", ") }
    }
}

#[derive(serde::Deserialize)]
struct Table {
    set: Vec<Set>,
}

/// All data sets that the table names.
///
/// # Panics
/// If the table that is built in is broken; a test reads it.
pub fn catalog() -> &'static [Set] {
    static SETS: OnceLock<Vec<Set>> = OnceLock::new();
    SETS.get_or_init(|| {
        let table: Table = toml::from_str(include_str!("sets.toml")).expect("the table of data sets");
        table.set
    })
}

/// A data set by its name.
///
/// # Errors
/// An unknown name; a set that nobody serves any more.
pub fn find(name: &str) -> Result<&'static Set> {
    let set = catalog()
        .iter()
        .find(|set| set.name == name)
        .ok_or_else(|| unknown_name("data set", name, catalog().iter().map(|set| set.name.as_str())))?;
    match &set.gone {
        None => Ok(set),
        Some(why) => Err(Error::user(format!("`{name}` can't be fetched: {why}")).help(format!(
            "where you have its files, give their folder: data.name={} data.path=FOLDER",
            set.reader
        ))),
    }
}

//! The manifest beside a plug-in's library, `NAME.palimpsest.toml`: what it is, read without running
//! any of its code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::identity::check_id;
use crate::error::listed;
use crate::{Error, Result};

/// How manifests' names end.
pub const MANIFEST_SUFFIX: &str = ".palimpsest.toml";

/// A plug-in's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format, 1.
    pub manifest: u32,
    /// Reverse domain name; its last part is the short name in recipes.
    pub id: String,
    /// The plug-in's version.
    pub version: String,
    /// The ABI that it was built with, `MAJOR.MINOR`.
    pub abi: String,
    /// One line for people.
    pub summary: String,
    /// The library for each platform, as `linux-x86_64`.
    pub library: BTreeMap<String, LibraryFile>,
}

/// A library file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LibraryFile {
    /// Its name, beside the manifest.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

/// The name of this machine's platform in manifests.
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// SHA-256 of a file in hexadecimal digits.
///
/// # Errors
/// A file that can't be read.
pub fn sha256(path: &Path) -> Result<String> {
    let data = crate::stored::read(path)?;
    Ok(Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A file that can't be read, unknown or missing keys, an id that is none, a library's name that leaves
    /// the folder.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::io(path, &e))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a manifest's text; `location` stands for the file's name.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn parse(location: &str, text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            Error::user(e.message().lines().next().unwrap_or_default().to_owned())
                .at(format!("{location}:{}", 1 + before.matches('\n').count()))
                .help("build the plug-in again: cargo xtask plugin build")
        })?;
        manifest.check().map_err(|e| e.at(location))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        if self.manifest != 1 {
            return Err(Error::user(format!(
                "is a manifest of format {}; this program reads 1",
                self.manifest
            )));
        }
        check_id(&self.id)?;
        for LibraryFile { file, .. } in self.library.values() {
            if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) {
                return Err(Error::user(format!("the library `{file}` is not a plain file name"))
                    .help("put the library beside its manifest"));
            }
        }
        Ok(())
    }

    /// The manifest as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// The library for this machine.
    ///
    /// # Errors
    /// None; the message names those there are.
    pub fn here(&self) -> Result<&LibraryFile> {
        self.library.get(&platform()).ok_or_else(|| {
            let known: Vec<&str> = self.library.keys().map(String::as_str).collect();
            Error::user(format!("{} has no library for {}, only for {}", self.id, platform(), listed(&known)))
                .help("build it on this machine: cargo xtask plugin build")
        })
    }
}

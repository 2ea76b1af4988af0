//! Annotation files in JSON.

use std::path::Path;

use palimpsest_core::{Error, Result};
use serde::de::DeserializeOwned;

/// Reads a file.
///
/// # Errors
/// A file that can't be read or doesn't have this form: the error names line and column.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        let text = e.to_string();
        // serde_json ends with the location, which goes to the front here.
        let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Error::user(what)
            .at(format_args!("{}:{}:{}", path.display(), e.line(), e.column()))
            .help("copy the annotations again, or write them in this form")
    })
}

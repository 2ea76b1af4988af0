//! Lists as text, one entry a line, with errors that name the line.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use palimpsest_core::{Error, Result};

/// A text file in memory.
pub(crate) struct TextLines {
    path: PathBuf,
    text: String,
}

/// A line that isn't blank.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    path: &'a Path,
    number: usize,
    pub(crate) text: &'a str,
}

impl TextLines {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
        // Lists of the nineties and noughties are Latin-1 here and there; only names are affected.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|e| e.into_bytes().iter().map(|&b| char::from(b)).collect());
        Ok(Self { path: path.to_owned(), text })
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let all = self.text.trim_start_matches('\u{feff}').lines().enumerate();
        all.map(|(i, text)| Line { path: &self.path, number: i + 1, text: text.trim() })
            .filter(|line| !line.text.is_empty())
    }

    /// The lines alone, at least one.
    pub(crate) fn entries(&self) -> Result<Vec<String>> {
        let all: Vec<String> = self.lines().map(|line| line.text.to_owned()).collect();
        if all.is_empty() {
            return Err(Error::user("the file is empty").at(self.path.display()).help("copy it again"));
        }
        Ok(all)
    }
}

impl<'a> Line<'a> {
    pub(crate) fn at(&self, error: Error) -> Error {
        error.at(self.location())
    }

    /// File and number, for messages.
    pub(crate) fn location(&self) -> String {
        format!("{}:{}", self.path.display(), self.number)
    }

    /// The first field and the rest of the line.
    pub(crate) fn key_and_rest(&self, shape: &str) -> Result<(&'a str, &'a str)> {
        self.text.split_once(char::is_whitespace).map(|(key, rest)| (key, rest.trim())).ok_or_else(|| {
            self.at(Error::user(format!("`{}` is not of the form `{shape}`", self.text))
                .help("copy the list again as it is distributed"))
        })
    }

    /// A number of the line.
    pub(crate) fn number<T: FromStr>(&self, text: &str, what: &str) -> Result<T> {
        text.parse().map_err(|_| {
            self.at(Error::user(format!("{what} `{text}` is not a number of its kind"))
                .help("copy the list again as it is distributed"))
        })
    }
}

//! Tags and a note that people give a run: `tags.json` in its folder.

use std::path::Path;

use palimpsest_core::stored::{read, write_atomically};
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A run with this tag is never pruned.
pub(crate) const KEEP: &str = "keep";

const FILE: &str = "tags.json";

/// What people say of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tags {
    /// Sorted, each once.
    pub(crate) tags: Vec<String>,
    pub(crate) note: String,
}

impl Tags {
    /// Those of a run; none where the file is missing.
    ///
    /// # Errors
    /// A file that can't be read, or that holds something else.
    pub(crate) fn of(run: &Path) -> Result<Self> {
        let path = run.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&read(&path)?).map_err(|_| {
            Error::user("holds no tags")
                .at(path.display())
                .help("correct it or remove it, and tag the run again")
        })
    }

    /// Writes them beside the run's files.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        write_atomically(&run.join(FILE), format!("{text}\n").as_bytes())
    }

    /// Does `+TAG`, `-TAG` or `note=TEXT`.
    ///
    /// # Errors
    /// A tag of no letters, or with a comma or a space, which lists are written with.
    pub(crate) fn change(&mut self, change: &str) -> Result<()> {
        if let Some(note) = change.strip_prefix("note=") {
            self.note = note.trim().to_owned();
            return Ok(());
        }
        let (add, tag) = match change.strip_prefix('+') {
            Some(tag) => (true, tag),
            None => (false, change.strip_prefix('-').unwrap_or(change)),
        };
        if tag.is_empty() || tag.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) {
            return Err(Error::user(format!("`{tag}` is no tag"))
                .help("a tag is one word without commas, as +keep; longer texts are a note: note=\"…\""));
        }
        self.tags.retain(|known| known != tag);
        if add {
            self.tags.push(tag.to_owned());
            self.tags.sort();
        }
        Ok(())
    }

    /// Whether a word of a command line is a change, and no path.
    pub(crate) fn is_change(word: &str) -> bool {
        word.starts_with(['+', '-']) || word.starts_with("note=")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_once_and_go() {
        let mut tags = Tags::default();
        for change in ["+keep", "+b", "+keep", "-b", "-never", "note= why, and how "] {
            tags.change(change).expect("a change");
        }
        assert_eq!((tags.tags, tags.note.as_str()), (vec!["keep".to_owned()], "why, and how"));
        for bad in ["+", "-", "+a b", "+a,b"] {
            assert!(Tags::default().change(bad).is_err(), "{bad}");
        }
    }
}

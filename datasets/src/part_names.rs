//! What the parts of data are called: one rule for all readers.

use std::path::Path;

use palimpsest_core::data::Split;
use palimpsest_core::{Error, Result};

/// A part, as the field names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// `train`, `training`
    Train,
    /// `val`, `valid`, `validation`, `dev`
    Validation,
    /// `test`, `testing`, `eval`
    Test,
}

impl PartKind {
    /// The part that a folder or file without its ending is named after, in any case. A year may follow
    /// (`train2017`), and the set's own word precede (`seg_train`).
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
        match name.rsplit(['_', '-']).next()? {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Validation),
            "test" | "testing" | "eval" => Some(Self::Test),
            _ => None,
        }
    }
}

/// The names in a folder that are those of parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedParts(Vec<(PartKind, String)>);

impl NamedParts {
    /// Of names, in their order.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().filter_map(|name| Some((PartKind::of_name(&name)?, name))).collect())
    }

    /// The sub-folders of `root` that are named like parts, in the order of their names. None where there is no
    /// such folder.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn folders(root: &Path) -> Result<Self> {
        Self::entries(root, |path| path.is_dir().then(|| path.file_name()?.to_str().map(str::to_owned))?)
    }

    /// The files `PREFIX``PART``SUFFIX` of `root`, by the names of their parts.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn files(root: &Path, prefix: &str, suffix: &str) -> Result<Self> {
        Self::entries(root, |path| {
            let name = path.file_name()?.to_str()?;
            let part = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            path.is_file().then(|| part.to_owned())
        })
    }

    fn entries(root: &Path, name: impl Fn(&Path) -> Option<String>) -> Result<Self> {
        let mut names = vec![];
        if root.is_dir() {
            for entry in std::fs::read_dir(root).map_err(|e| Error::io(root, &e))? {
                names.extend(name(&entry.map_err(|e| Error::io(root, &e))?.path()));
            }
        }
        names.sort_unstable();
        Ok(Self::of(names))
    }

    /// Whether no name is that of a part.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names that may serve as a part, the first that has what is needed being it: for testing the test
    /// part, else the validation part (as where the test part's labels are withheld). Of several years the
    /// latest is first.
    pub fn candidates(&self, split: Split) -> impl Iterator<Item = &str> {
        let order: &[PartKind] = match split {
            Split::Train => &[PartKind::Train],
            Split::Test => &[PartKind::Test, PartKind::Validation],
        };
        order.iter().flat_map(|kind| {
            self.0.iter().rev().filter(move |(found, _)| found == kind).map(|(_, name)| &**name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_in_any_case() {
        let of = PartKind::of_name;
        for name in ["train", "Training", "TRAIN", "train2017", "seg_train", "my-train"] {
            assert_eq!(of(name), Some(PartKind::Train), "{name}");
        }
        for name in ["val", "Valid", "validation", "dev", "val2014"] {
            assert_eq!(of(name), Some(PartKind::Validation), "{name}");
        }
        for name in ["test", "Testing", "eval", "seg_test"] {
            assert_eq!(of(name), Some(PartKind::Test), "{name}");
        }
        for name in ["trainer", "train_station", "values", "2017", "", "contest", "testset"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn the_test_part_is_measured_before_the_validation_part() {
        let parts = NamedParts::of(["dev", "test", "train2014", "train2017", "x"].map(str::to_owned));
        assert_eq!(parts.candidates(Split::Train).collect::<Vec<_>>(), ["train2017", "train2014"]);
        assert_eq!(parts.candidates(Split::Test).collect::<Vec<_>>(), ["test", "dev"]);
    }
}

//! Which column a name means, and what the footer tells of it.

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};
use parquet::basic::Repetition;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::Type;
use serde_json::Value;

/// The columns of a file.
pub(crate) struct Columns<'a>(pub(crate) &'a ParquetMetaData);

impl Columns<'_> {
    /// Their names, without what is inside them.
    pub(crate) fn names(&self) -> Vec<String> {
        let fields = self.0.file_metadata().schema_descr().root_schema().get_fields();
        fields.iter().map(|field| field.name().to_owned()).collect()
    }

    /// The number of a column of values by its path.
    pub(crate) fn leaf(&self, path: &str) -> Option<usize> {
        let columns = self.0.file_metadata().schema_descr().columns();
        columns.iter().position(|column| column.path().string() == path)
    }

    /// The number of a column of one value a row, which `key` names.
    ///
    /// # Errors
    /// No such column, lists, or parts.
    pub(crate) fn single(&self, name: &str, key: &str) -> Result<usize> {
        let schema = self.0.file_metadata().schema_descr();
        let lists = |e: &str| {
            Error::user(format!("the column `{name}` has lists, not {e} a row")).help(
                "lists of labels are named by data.reader.label_list_column; name a column of one value a row",
            )
        };
        let wanted = if key == "label" { "a label" } else { "a number" };
        match self.leaf(name) {
            Some(leaf) if schema.column(leaf).max_rep_level() == 0 => Ok(leaf),
            Some(_) => Err(lists(wanted)),
            None if self.list(name).is_ok() => Err(lists(wanted)),
            None => Err(self.no_leaf(name, key)),
        }
    }

    /// The number of a column of a list of values a row, and how deep its entries are.
    ///
    /// # Errors
    /// No such column, no lists, lists of lists, or parts.
    pub(crate) fn list(&self, name: &str) -> Result<(usize, i16)> {
        let schema = self.0.file_metadata().schema_descr();
        let columns = schema.columns();
        let same = |column: &&parquet::schema::types::ColumnDescPtr| {
            column.path().string() == name || without_wrappers(column.path().parts()) == name
        };
        let Some(column) = columns.iter().find(same) else {
            return Err(self.no_leaf(name, "label_list_column"));
        };
        let help = "name a column of a list of labels a row";
        match column.max_rep_level() {
            0 => {
                return Err(Error::user(format!("the column `{name}` has one value a row, no lists"))
                    .help(format!("{help}, or this one as data.reader.label={name}")));
            }
            1 => {}
            _ => return Err(Error::user(format!("the column `{name}` has lists of lists")).help(help)),
        }
        let leaf = columns.iter().position(|own| own.path() == column.path()).unwrap_or_default();
        Ok((leaf, entry_depth(schema.root_schema(), column.path().parts())))
    }

    fn no_leaf(&self, name: &str, key: &str) -> Error {
        let names = self.names();
        match names.iter().any(|own| own == name) {
            true => {
                let within = format!("{name}.");
                let columns = self.0.file_metadata().schema_descr().columns();
                let part = columns
                    .iter()
                    .map(|column| without_wrappers(column.path().parts()))
                    .find(|path| path.starts_with(&within));
                let part = part.unwrap_or_else(|| format!("{name}.name"));
                Error::user(format!("the column `{name}` has parts"))
                    .help(format!("name one of them, as data.reader.{key}={part}"))
            }
            false => unknown_name("column", name, names.iter().map(String::as_str)),
        }
    }

    /// The names of the classes of a column, or of what its lists have, as `datasets` keeps them in the footer.
    pub(crate) fn class_names(&self, column: &str) -> Option<Vec<String>> {
        let pairs = self.0.file_metadata().key_value_metadata()?;
        let text = pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_ref()?;
        let told: Value = serde_json::from_str(text).ok()?;
        let features = told.get("info")?.get("features")?;
        let whole = features.get(column);
        let found = whole.map(of_list).or_else(|| {
            column.split('.').try_fold(features, |feature, part| of_list(feature).get(part)).map(of_list)
        })?;
        let names = found.get("names").filter(|_| found["_type"] == "ClassLabel")?;
        names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    }
}

/// What the lists of a feature have; a feature that is no list is itself.
fn of_list(feature: &Value) -> &Value {
    let is_list = matches!(feature["_type"].as_str(), Some("List" | "LargeList" | "Sequence"));
    feature.get("feature").filter(|_| is_list).unwrap_or(feature)
}

/// A path without what stands for the entries of lists: `tags.list.element` is `tags`. So Arrow's writers call them, and
/// `item` or `array_element` in older files.
fn without_wrappers(path: &[String]) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.iter().map(String::as_str).peekable();
    while let Some(part) = parts.next() {
        let entries = matches!(parts.peek(), Some(&("element" | "item" | "array_element")));
        if !kept.is_empty() && entries && matches!(part, "list" | "bag") {
            parts.next();
        } else {
            kept.push(part);
        }
    }
    kept.join(".")
}

/// How many of the nodes of a path down to the one that repeats may be missing or repeat.
fn entry_depth(root: &Type, path: &[String]) -> i16 {
    let (mut node, mut depth) = (root, 0);
    for name in path {
        let Some(next) = node.get_fields().iter().find(|field| field.name() == name) else { return depth };
        node = next;
        let info = node.get_basic_info();
        match info.has_repetition().then(|| info.repetition()) {
            Some(Repetition::REPEATED) => return depth + 1,
            Some(Repetition::OPTIONAL) => depth += 1,
            _ => {}
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_called_as_people_see_them() {
        for (path, name) in [
            ("tags.list.element", "tags"),
            ("tags.list.item", "tags"),
            ("objects.category.list.element", "objects.category"),
            ("objects.list.element.category", "objects.category"),
            ("list.element", "list.element"),
            ("label", "label"),
        ] {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            assert_eq!(without_wrappers(&path), name);
        }
    }
}

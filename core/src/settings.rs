//! Described settings: one declaration gives a recipe table its fields, defaults, ranges and help.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::error::unknown_name;
use crate::{Error, Result};

/// A field of a recipe table, as `show` prints it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it means.
    pub doc: String,
    /// The value where none is given, as TOML.
    pub default: String,
    /// The values allowed, if limited.
    pub range: Option<String>,
}

/// A recipe table with described fields. Implemented by [`settings!`](crate::settings!).
pub trait Settings: DeserializeOwned {
    /// The fields in order.
    fn fields() -> Vec<Field>;
    /// The first field outside its range: its name, value and range.
    fn out_of_range(&self) -> Option<(&'static str, String, String)>;
}

/// Declares a settings struct: `name: type = default, in range;` per field. Unknown keys are
/// refused when it is read.
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $( $(#[doc = $doc:literal])+ $field:ident : $ty:ty = $default:expr $(, in $range:expr)? ; )*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "snake_case")]
        $vis struct $name {
            $( $(#[doc = $doc])+ pub $field: $ty, )*
        }
        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }
        impl $crate::settings::Settings for $name {
            fn fields() -> Vec<$crate::settings::Field> {
                #[allow(unused_variables)]
                let default = Self::default();
                vec![ $( $crate::settings::Field {
                    name: stringify!($field),
                    doc: $crate::settings::one_line(concat!($($doc, "\n"),+)),
                    default: $crate::settings::as_toml(&default.$field),
                    range: { #[allow(unused_mut, unused_assignments)] let mut range: Option<String> = None; $( range = Some(format!("{:?}", $range)); )? range },
                } ),* ]
            }
            fn out_of_range(&self) -> Option<(&'static str, String, String)> {
                $( $( if !($range).contains(&self.$field) {
                    return Some((stringify!($field), $crate::settings::as_toml(&self.$field), format!("{:?}", $range)));
                } )? )*
                None
            }
        }
    };
}

/// The lines of a documentation comment in one.
pub fn one_line(doc: &str) -> String {
    doc.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// A value as TOML writes it.
pub fn as_toml<T: serde::Serialize>(value: &T) -> String {
    toml::Value::try_from(value).map_or_else(|_| "unset".to_owned(), |value| value.to_string())
}

/// Where each key of a resolved recipe came from: `file:line`, `preset NAME` or `KEY=VALUE`.
#[derive(Debug, Clone, Default)]
pub struct Sources(pub BTreeMap<String, String>);

impl Sources {
    /// The location of a key for messages: where it, or the table that holds it, was written.
    pub fn location(&self, key: &str) -> String {
        let mut table = key;
        loop {
            if let Some(location) = self.0.get(table) {
                return format!("{location}: `{key}`");
            }
            match table.rfind('.') {
                Some(dot) => table = &table[..dot],
                None => return format!("`{key}`"),
            }
        }
    }
}

/// A table of a recipe with its path and the locations of its keys.
#[derive(Debug, Clone)]
pub struct Section {
    table: toml::Table,
    path: String,
    sources: Arc<Sources>,
}

impl Section {
    /// The table at `path`.
    pub fn new(table: toml::Table, path: impl Into<String>, sources: Arc<Sources>) -> Self {
        Self { table, path: path.into(), sources }
    }

    /// A section from TOML text, for tests and defaults.
    ///
    /// # Errors
    /// Text that is no TOML.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let table =
            text.parse().map_err(|e: toml::de::Error| Error::user(e.message().to_owned()).at(path))?;
        Ok(Self::new(table, path, Arc::default()))
    }

    /// The dotted path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The keys as given.
    pub fn table(&self) -> &toml::Table {
        &self.table
    }

    /// The location of one of its keys, for messages.
    pub fn location(&self, key: &str) -> String {
        self.sources.location(&self.dotted(key))
    }

    /// The locations of its keys, by their names within it.
    pub fn sources(&self) -> Sources {
        let prefix = self.dotted("");
        let own = self.sources.0.iter().filter_map(|(key, location)| {
            Some((key.strip_prefix(&prefix)?.to_owned(), format!("{location}: {}", self.path)))
        });
        Sources(own.collect())
    }

    /// The path of one of its keys; the top of a recipe has no path of its own.
    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A table within this one, empty where it is absent.
    ///
    /// # Errors
    /// Something else under that key.
    pub fn section(&self, key: &str) -> Result<Self> {
        let table = match self.table.get(key) {
            None => toml::Table::new(),
            Some(toml::Value::Table(table)) => table.clone(),
            Some(other) => {
                return Err(Error::user(format!("expected a table, found {}", describe(other)))
                    .at(self.location(key))
                    .help(format!("write a table [{}.{key}]", self.path)));
            }
        };
        Ok(Self { table, path: format!("{}.{key}", self.path), sources: self.sources.clone() })
    }

    /// The names of the tables within this one, in alphabetical order.
    pub fn sections(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// The same device with other keys.
    #[must_use]
    pub fn with_table(&self, table: toml::Table) -> Self {
        Self { table, ..self.clone() }
    }

    /// Without some keys, which are read elsewhere.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.table.retain(|key, _| !keys.contains(&key));
        self
    }

    /// Takes the `kind` out: its name and the remaining table.
    ///
    /// # Errors
    /// No `kind`, or one that is no string.
    pub fn kind(mut self) -> Result<(String, Self)> {
        match self.table.remove("kind") {
            Some(toml::Value::String(kind)) => Ok((kind, self)),
            Some(other) => Err(Error::user(format!("expected a name, found {}", describe(&other)))
                .at(self.location("kind"))
                .help("write kind = \"NAME\"")),
            None => Err(Error::user("has no `kind`")
                .at(self.sources.location(&self.path))
                .help(format!("add kind = \"NAME\" to [{}]", self.path))),
        }
    }

    /// Reads the table as settings: unknown keys, wrong types and values out of range are refused
    /// with their location and the nearest valid name.
    ///
    /// # Errors
    /// Any of these.
    pub fn read<S: Settings>(&self) -> Result<S> {
        self.check(S::fields(), &|single| S::deserialize(single).err())?;
        let settings = S::deserialize(toml::Value::Table(self.table.clone()))
            .map_err(|e| Error::user(e.message().to_owned()).at(self.sources.location(&self.path)))?;
        match settings.out_of_range() {
            None => Ok(settings),
            Some((key, value, range)) => Err(self.out_of_range(key, &value, &range)),
        }
    }

    /// What [`Section::read`] asks of all settings alike: it is compiled once, where `read` is for each of them.
    fn check(
        &self,
        fields: Vec<Field>,
        mistake: &dyn Fn(toml::Value) -> Option<toml::de::Error>,
    ) -> Result<()> {
        for key in self.table.keys() {
            if fields.iter().all(|field| field.name != key) {
                return Err(unknown_name("key", key, fields.iter().map(|f| f.name).collect::<Vec<_>>())
                    .at(self.location(key)));
            }
        }
        // One key at a time, so that a wrong type is told with its key.
        for (key, value) in &self.table {
            let single = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Some(error) = mistake(toml::Value::Table(single)) {
                let field = fields.iter().find(|field| field.name == key);
                let example = field.map_or(String::new(), |f| match f.default.as_str() {
                    "[]" => "write a list, as [0.1, 0.2] or [\"cat\", \"dog\"]".to_owned(),
                    "unset" => "write a number, or leave the key out".to_owned(),
                    default => format!("write a value like {default}"),
                });
                let message = error.message().lines().next().unwrap_or_default().to_owned();
                return Err(Error::user(format!("{message} (given: {value})"))
                    .at(self.location(key))
                    .help(example));
            }
        }
        Ok(())
    }

    fn out_of_range(&self, key: &str, value: &str, range: &str) -> Error {
        Error::user(format!("{value} is out of range"))
            .at(self.location(key))
            .help(format!("choose a value in {range}"))
    }
}

fn describe(value: &toml::Value) -> String {
    format!("the {} {value}", value.type_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    settings! {
        /// A test table.
        struct Mask {
            /// Share of the tokens.
            ratio: f64 = 0.6, in 0.0..=1.0;
            /// A name.
            name: String = "cell".to_owned();
        }
    }

    fn read(text: &str) -> Result<Mask> {
        Section::parse("corruption", text)?.read()
    }

    #[test]
    fn defaults_and_docs() {
        assert_eq!(read("ratio = 0.5").unwrap(), Mask { ratio: 0.5, name: "cell".into() });
        let fields = Mask::fields();
        assert_eq!((fields[0].doc.as_str(), fields[0].default.as_str()), ("Share of the tokens.", "0.6"));
        assert_eq!(fields[0].range.as_deref(), Some("0.0..=1.0"));
    }

    #[test]
    fn mistakes_name_key_value_and_help() {
        for (text, want) in [
            (
                "rato = 0.5",
                "`corruption.rato`: unknown key `rato`; did you mean `ratio`? (one of: name, ratio)",
            ),
            ("ratio = 2.0", "`corruption.ratio`: 2.0 is out of range; choose a value in 0.0..=1.0"),
            ("ratio = nan", "`corruption.ratio`: nan is out of range; choose a value in 0.0..=1.0"),
            (
                "ratio = \"a\"",
                "`corruption.ratio`: invalid type: string \"a\", expected f64 (given: \"a\"); write a value like 0.6",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), want);
        }
    }
}

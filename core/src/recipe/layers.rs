//! The layers of a recipe: presets (of heads, of the method), file, overrides; later ones win. Each key remembers its place.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::preset::{Preset, find, head_presets, presets};
use crate::settings::{Section, Sources};
use crate::{Error, Result};

/// A recipe while it is put together.
///
/// A table that changes its `kind` loses the keys of the layers below: they belonged to another
/// kind. So do `[data.reader]` and `data.classes` where `data.name` changes. `NAME = false` drops a table of the layers below.
#[derive(Debug, Default)]
pub struct Layers {
    table: toml::Table,
    sources: Sources,
}

/// A value without quotes.
fn bare(value: &str) -> toml::Value {
    let text = |text: &str| toml::Value::String(text.trim().to_owned());
    match value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(list) if !list.contains(['[', ']', '{', '"', '\'']) => {
            list.split(',').map(text).collect::<Vec<_>>().into()
        }
        _ => text(value),
    }
}

impl Layers {
    /// The layers of a recipe file: the preset that it names, then itself.
    ///
    /// # Errors
    /// A file that can't be read, broken TOML, or an unknown preset.
    pub fn file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            let error = Error::io(path, &e);
            match e.kind() {
                std::io::ErrorKind::InvalidData => {
                    Error::user("is no text").at(path.display()).help("give a recipe in TOML")
                }
                std::io::ErrorKind::IsADirectory => Error::user("is a folder, not a recipe")
                    .at(path.display())
                    .help(format!("name a recipe first; a folder of images is data.path={}", path.display())),
                _ => error,
            }
        })?;
        Self::text(&path.display().to_string(), &text)
    }

    /// The layers of a recipe's text; `place` stands for the file's name.
    ///
    /// # Errors
    /// Broken TOML or an unknown preset.
    pub fn text(location: &str, text: &str) -> Result<Self> {
        let (mut table, sources) = parse(location, text)?;
        let mut layers = Self::default();
        if let Some(name) = table.remove("preset") {
            layers =
                Self::preset(&name, "preset", presets()).map_err(|e| e.at(sources.location("preset")))?;
        }
        layers.add(table, sources);
        Ok(layers)
    }

    /// The layer of the preset of this name.
    fn preset(name: &toml::Value, what: &str, presets: &'static [Preset]) -> Result<Self> {
        let Some(name) = name.as_str() else {
            return Err(Error::user(format!("expected a preset's name, found {name}"))
                .help(format!("write preset = \"{}\"", presets[0].name)));
        };
        let preset = find(what, presets, name)?;
        let (table, sources) = parse(&format!("{what} {name}"), preset.text)?;
        Ok(Self { table, sources })
    }

    /// Puts the preset that `[head] preset = "NAME"` names below all layers.
    ///
    /// # Errors
    /// An unknown preset.
    pub(super) fn head_preset(mut self) -> Result<Self> {
        let head = self.table.get_mut("head").and_then(toml::Value::as_table_mut);
        let Some(name) = head.and_then(|head| head.remove("preset")) else { return Ok(self) };
        let mut layers = Self::preset(&name, "head preset", head_presets())
            .map_err(|e| e.at(self.sources.location("head.preset")))?;
        layers.add(self.table, self.sources);
        Ok(layers)
    }

    /// Adds `KEY=VALUE` overrides; a value that is no TOML is taken as a string, or as a list of strings where it has
    /// brackets around it: a shell takes the quotes away.
    ///
    /// # Errors
    /// An override without `=`, or a key that runs through a value.
    pub fn overrides(&mut self, overrides: &[String]) -> Result<()> {
        let mut table = toml::Table::new();
        let mut sources = Sources::default();
        for text in overrides {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Error::user(format!("`{text}` is no override"))
                    .help("write KEY=VALUE, as train.epochs=10"));
            };
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() || key.split('.').any(str::is_empty) {
                return Err(
                    Error::user(format!("`{text}` has no key")).help("write KEY=VALUE, as train.epochs=10")
                );
            }
            let value = format!("value = {value}")
                .parse::<toml::Table>()
                .ok()
                .and_then(|mut table| table.remove("value"))
                .unwrap_or_else(|| bare(value));
            let mut parts: Vec<&str> = key.split('.').collect();
            let last = parts.pop().unwrap_or_default();
            let mut at = &mut table;
            for part in parts {
                let entry = at.entry(part).or_insert_with(|| toml::Table::new().into());
                at = entry.as_table_mut().ok_or_else(|| {
                    Error::user(format!("`{text}` goes through a value")).help("override one or the other")
                })?;
            }
            at.insert(last.to_owned(), value);
            sources.0.insert(key.to_owned(), format!("override {text}"));
        }
        self.add(table, sources);
        Ok(())
    }

    /// Adds the keys of a recipe's table, as the top level of what is put together here.
    pub fn section(&mut self, section: &Section) {
        self.add(section.table().clone(), section.sources());
    }

    /// Adds a layer on top.
    fn add(&mut self, table: toml::Table, sources: Sources) {
        if let Some(name) = table.get("data").and_then(|data| data.get("name"))
            && let Some(below) = self.table.get_mut("data").and_then(toml::Value::as_table_mut)
            && below.get("name") != Some(name)
        {
            below.remove("reader");
            below.remove("classes");
        }
        merge(&mut self.table, table);
        self.sources.0.extend(sources.0);
    }

    /// The merged table and the place of each key.
    pub fn finish(mut self) -> (toml::Table, Sources) {
        self.table.retain(|_, value| value.as_bool() != Some(false));
        (self.table, self.sources)
    }
}

fn merge(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => {
                let changes_kind = over.get("kind").is_some_and(|kind| base.get("kind") != Some(kind));
                if changes_kind {
                    base.clear();
                }
                merge(base, over);
            }
            (Some(toml::Value::Table(_)), toml::Value::Boolean(false)) => {
                below.remove(&key);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Parses TOML, keeping the line of each key.
fn parse(location: &str, text: &str) -> Result<(toml::Table, Sources)> {
    let line = |offset: usize| 1 + text[..offset.min(text.len())].matches('\n').count();
    let spanned = DeTable::parse(text).map_err(|e| {
        let at =
            e.span().map_or_else(|| location.to_owned(), |span| format!("{location}:{}", line(span.start)));
        Error::user(e.message().to_owned()).at(at).help("fix the TOML")
    })?;
    let mut sources = Sources::default();
    walk("", spanned.get_ref(), &mut |key, offset| {
        sources.0.insert(key, format!("{location}:{}", line(offset)));
    });
    let table =
        text.parse().map_err(|e: toml::de::Error| Error::user(e.message().to_owned()).at(location))?;
    Ok((table, sources))
}

fn walk(prefix: &str, table: &DeTable<'_>, record: &mut impl FnMut(String, usize)) {
    for (key, value) in table {
        let path =
            if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        record(path.clone(), key.span().start);
        if let DeValue::Table(inner) = value.get_ref() {
            walk(&path, inner, record);
        }
    }
}

//! YAML as lists and mappings of text, as far as descriptions of data sets go.

use std::path::Path;

use palimpsest_core::{Error, Result};
use saphyr_parser::{Event, Parser};

use crate::formats::shown::shown;

/// A node. Scalars are text as their author wrote them: a class called `no` or `007` stays so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    /// A scalar.
    Text(String),
    /// A sequence.
    List(Vec<Yaml>),
    /// A mapping, in its order.
    Map(Vec<(String, Yaml)>),
}

/// How deep nodes may be nested.
const DEEPEST: usize = 32;
/// How large a file may be, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads a file.
///
/// # Errors
/// A file that can't be read or is no YAML: the error names the line.
pub fn read_yaml(path: &Path) -> Result<Yaml> {
    let at = |error: Error| error.at(path.display());
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, &e))?.len();
    if size > LARGEST {
        return Err(at(
            Error::user(format!("{size} bytes are no description of data")).help("check the path")
        ));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| at(Error::user("is not UTF-8").help("save it as UTF-8")))?;
    parse(text).map_err(|(line, error)| match line {
        0 => at(error),
        line => error.at(format_args!("{}:{line}", path.display())),
    })
}

/// Reads a text; an error comes with its line, 0 if none is known.
///
/// # Errors
/// Text that is no YAML, or isn't read: aliases, keys that aren't text.
pub fn parse(text: &str) -> std::result::Result<Yaml, (usize, Error)> {
    let events = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<(Yaml, Option<String>)> = Vec::new();
    let wrong = |line: usize, what: String| (line, Error::user(what).help("write it as plain YAML"));
    for event in events {
        let (event, span) = event
            .map_err(|e| wrong(e.marker().line(), format!("broken YAML: {}", e.info().replace('\n', " "))))?;
        let line = span.start.line();
        let done = match event {
            Event::Scalar(text, ..) => Yaml::Text(text.into_owned()),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() >= DEEPEST {
                    return Err(wrong(line, "nodes are nested too deeply".to_owned()));
                }
                let empty = if matches!(event, Event::SequenceStart(..)) {
                    Yaml::List(vec![])
                } else {
                    Yaml::Map(vec![])
                };
                open.push((empty, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, _)) => node,
                None => return Err(wrong(line, "broken YAML: an end without a beginning".to_owned())),
            },
            // A node that is repeated by its name may be a bomb, and descriptions of data have none.
            Event::Alias(_) => return Err(wrong(line, "an alias, which isn't read".to_owned())),
            _ => continue,
        };
        match open.last_mut() {
            None => return Ok(done),
            Some((Yaml::List(items), _)) => items.push(done),
            Some((Yaml::Map(pairs), key)) => match (key.take(), done) {
                (Some(key), value) if pairs.iter().any(|(known, _)| *known == key) => {
                    drop(value);
                    return Err(wrong(line, format!("the key `{}` is given twice", shown(&key))));
                }
                (Some(key), value) => pairs.push((key, value)),
                (None, Yaml::Text(text)) => *key = Some(text),
                (None, _) => return Err(wrong(line, "a key that is no text".to_owned())),
            },
            Some((Yaml::Text(_), _)) => {}
        }
    }
    Err(wrong(0, "the file is empty".to_owned()))
}

impl Yaml {
    /// The value of a key of a mapping; none also for an empty one.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let value = pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        value.filter(|value| !matches!(value, Self::Text(text) if matches!(&**text, "" | "~" | "null")))
    }

    /// The keys of a mapping.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let pairs: &[(String, Self)] = if let Self::Map(pairs) = self { pairs } else { &[] };
        pairs.iter().map(|(key, _)| &**key)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The texts of a list of scalars, or of one.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::List(items) => items.iter().map(Self::text).collect(),
            Self::Map(_) => None,
        }
    }
}

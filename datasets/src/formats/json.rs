//! Annotation files in JSON.

use std::path::Path;

use palimpsest_core::{Error, Result};
use serde::de::DeserializeOwned;

use crate::formats::shown::shown;

/// Reads a file. A byte-order mark is passed over, and `NaN` and `Infinity`, as Python writes them, are `null`.
///
/// # Errors
/// A file that can't be read or doesn't have this form: the error names line, column and field.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let read = serde_json::from_slice(bytes).or_else(|error| match without_nan(bytes) {
        Some(plain) if error.is_syntax() => serde_json::from_slice(&plain),
        _ => Err(error),
    });
    read.map_err(|e| {
        let text = e.to_string();
        // serde_json ends with the location, which goes to the front here.
        let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let what = match field_before(bytes, e.line(), e.column()) {
            Some(field) if e.is_data() && what.starts_with("invalid") => format!("`{field}`: {what}"),
            _ => what,
        };
        Error::user(shown(&what))
            .at(format_args!("{}:{}:{}", path.display(), e.line(), e.column()))
            .help("copy the annotations again, or write them in this form")
    })
}

/// The text with `null` for the numbers that JSON has none for; none if there are none of them.
pub(crate) fn without_nan(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut plain, mut at, mut in_text, mut found) = (Vec::with_capacity(bytes.len()), 0, false, false);
    'text: while at < bytes.len() {
        if in_text && bytes[at] == b'\\' {
            plain.extend(&bytes[at..bytes.len().min(at + 2)]);
            at += 2;
            continue;
        }
        in_text ^= bytes[at] == b'"';
        if !in_text {
            for word in [&b"NaN"[..], b"-Infinity", b"Infinity"] {
                if bytes[at..].starts_with(word) {
                    plain.extend(b"null");
                    at += word.len();
                    found = true;
                    continue 'text;
                }
            }
        }
        plain.push(bytes[at]);
        at += 1;
    }
    found.then_some(plain)
}

/// The key that stands before a place, for messages.
fn field_before(bytes: &[u8], line: usize, column: usize) -> Option<String> {
    let start: usize =
        bytes.split_inclusive(|&b| b == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let mut end = bytes.len().min(start + column);
    loop {
        // A colon with a text before it.
        end = bytes[..end].iter().rposition(|&b| b == b':')?;
        let key = bytes[..end].trim_ascii_end();
        if let Some(key) = key.strip_suffix(b"\"") {
            let from = key.iter().rposition(|&b| b == b'"')?;
            return String::from_utf8(key[from + 1..].to_vec()).ok();
        }
    }
}

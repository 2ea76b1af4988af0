//! What goes to the terminal: results to standard output, everything else to standard error.

use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use palimpsest_core::{Error, Result};
use serde_json::json;

/// Why standard output takes no more.
static FAILED: OnceLock<std::io::Error> = OnceLock::new();

/// A line of a result.
pub(crate) fn line(text: &str) {
    if FAILED.get().is_none()
        && let Err(e) = writeln!(std::io::stdout().lock(), "{text}")
    {
        let _ = FAILED.set(e);
    }
}

/// Whether all results were taken. A reader that wanted no more, such as `head`, is no mistake.
///
/// # Errors
/// Standard output is a file on a full disk, or the like.
pub(crate) fn finish() -> Result<()> {
    if let Err(e) = std::io::stdout().flush() {
        let _ = FAILED.set(e);
    }
    match FAILED.get() {
        Some(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("standard output", e)),
        _ => Ok(()),
    }
}

/// A line for the user that is no result. A closed standard error is no reason to stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says how a command is spelt now.
pub(crate) fn renamed(old: &str, new: &str) {
    note(&format!("note: `{old}` is now `{new}`"));
}

/// An error, as one sentence.
pub(crate) fn error(error: &Error) {
    note(&format!("error: {error}"));
}

/// A table with aligned columns.
pub(crate) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        line(cells.join("  ").trim_end());
    }
}

/// Names with what each is, as a table or as JSON.
pub(crate) fn named(items: &[(String, String)], as_json: bool) {
    if as_json {
        let items: Vec<_> =
            items.iter().map(|(name, summary)| json!({ "name": name, "summary": summary })).collect();
        line(&json!(items).to_string());
    } else {
        table(&items.iter().map(|(name, summary)| vec![name.clone(), summary.clone()]).collect::<Vec<_>>());
    }
}

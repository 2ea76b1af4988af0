//! What goes to the terminal: results to standard output, everything else to standard error.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the one place that prints")]

use palimpsest_core::Error;
use serde_json::json;

/// A line of a result.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A line for the user that is no result.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Says how a command is spelt now.
pub(crate) fn renamed(old: &str, new: &str) {
    note(&format!("note: `{old}` is now `{new}`"));
}

/// An error, as one sentence.
pub(crate) fn error(error: &Error) {
    eprintln!("error: {error}");
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

/// A figure with four decimals; what rounds to zero has no sign.
pub(crate) fn figure(value: f64) -> String {
    let text = format!("{value:.4}");
    if text == "-0.0000" { "0.0000".to_owned() } else { text }
}

//! What goes to the terminal: results to standard output, everything else to standard error.

use std::borrow::Cow;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use palimpsest_core::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// Why standard output takes no more.
static FAILED: OnceLock<std::io::Error> = OnceLock::new();

/// Which of several processes this is; none for one alone.
static RANK: OnceLock<usize> = OnceLock::new();

/// This is one of several processes: rank 0 alone prints, and the others' errors carry their number.
pub(crate) fn of_rank(rank: usize) {
    let _ = RANK.set(rank);
}

/// Whether this process prints.
fn prints() -> bool {
    RANK.get().is_none_or(|&rank| rank == 0)
}

/// A line of a result.
pub(crate) fn line(text: &str) {
    if prints()
        && FAILED.get().is_none()
        && let Err(e) = writeln!(std::io::stdout().lock(), "{text}")
    {
        let _ = FAILED.set(e);
    }
}

/// A result as a line of JSON. Numbers have twelve digits that count: more are an accident of binary fractions.
pub(crate) fn json(value: &impl Serialize) {
    line(&rounded(json!(value)).to_string());
}

/// The same value with numbers as [`json`] prints them.
pub(crate) fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let short = number.as_f64().and_then(|number| format!("{number:.11e}").parse::<f64>().ok());
            short.map_or(Value::Number(number), |short| json!(short))
        }
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, rounded(value))).collect(),
        other => other,
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
    if !prints() {
        return;
    }
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A line for the user that each process may have; it carries its number.
pub(crate) fn of_own(text: &str) {
    match RANK.get() {
        Some(rank) => drop(writeln!(std::io::stderr().lock(), "rank {rank}: {text}")),
        None => note(text),
    }
}

/// A line of a result; for the user alone where the result is JSON.
pub(crate) fn told(text: &str, as_json: bool) {
    if as_json { note(text) } else { line(text) }
}

/// Says how a command is spelt now.
pub(crate) fn renamed(old: &str, new: &str) {
    note(&format!("note: `{old}` is now `{new}`"));
}

/// An error, as one sentence.
pub(crate) fn error(error: &Error) {
    match RANK.get() {
        // What all of them end with is told once.
        Some(rank) if !error.is_of_all() => {
            // In one write, which those of other processes don't come between.
            let line = format!("error: rank {rank}: {error}\n");
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
        _ => note(&format!("error: {error}")),
    }
}

/// A table with aligned columns. In a terminal cells that are too long for its width are cut; elsewhere they are whole.
pub(crate) fn table(rows: &[Vec<String>]) {
    let terminal = console::Term::stdout();
    let width = terminal.features().is_attended().then(|| usize::from(terminal.size().1));
    laid_out(rows, width).iter().for_each(|row| line(row));
}

/// A column that is cut keeps so much at least.
const LEAST: usize = 12;
const GAP: usize = 2;

/// The lines of a table, at most `width` letters long where that can be.
fn laid_out(rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let longest = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max();
    let mut widths: Vec<usize> = (0..columns).map(|c| longest(c).unwrap_or(0)).collect();
    if let Some(width) = width {
        let room = width.saturating_sub(GAP * columns.saturating_sub(1));
        // The widest column gives first: it mostly holds the sentences.
        while widths.iter().sum::<usize>() > room {
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > LEAST) else { break };
            *widest -= 1;
        }
    }
    let row = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{:<width$}", cut(cell, width)));
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    rows.iter().map(row).collect()
}

fn cut(cell: &str, width: usize) -> Cow<'_, str> {
    if cell.chars().count() <= width {
        return cell.into();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect::<String>().into()
}

/// Names with what each is, as a table or as JSON.
pub(crate) fn named(items: &[(String, String)], as_json: bool) {
    if as_json {
        let items: Vec<_> =
            items.iter().map(|(name, summary)| json!({ "name": name, "summary": summary })).collect();
        json(&items);
    } else {
        table(&items.iter().map(|(name, summary)| vec![name.clone(), summary.clone()]).collect::<Vec<_>>());
    }
}

/// A figure with four decimals, and a small one with three digits that count; zero has no sign.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0.0000".to_owned(),
        small if small < 1e-3 => format!("{value:.2e}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let long = "a sentence that goes on beyond the edge of the terminal";
        [["plan.valid", "pass", long], ["load", "-", "short"]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec()
    }

    #[test]
    fn cells_are_cut_in_a_terminal_alone() {
        let whole = laid_out(&rows(), None);
        assert!(whole[0].ends_with("edge of the terminal"), "{whole:?}");
        let narrow = laid_out(&rows(), Some(40));
        assert_eq!(narrow[0], "plan.valid  pass  a sentence that goes …");
        assert_eq!(narrow[1], "load        -     short");
        // There is a least width that says something.
        assert_eq!(laid_out(&rows(), Some(10))[0], "plan.valid  pass  a sentence …");
    }

    #[test]
    fn figures_say_something_whatever_their_size() {
        let text = [0.0, -0.0, -1e-9, 3.16e-5, 0.5, f64::NAN].map(figure);
        assert_eq!(text, ["0.0000", "0.0000", "-1.00e-9", "3.16e-5", "0.5000", "NaN"]);
    }

    #[test]
    fn json_has_no_digits_that_do_not_count() {
        let value = rounded(json!({ "a": 0.684_500_000_000_000_1, "b": [1, 2.5e-8, -3.0], "c": "0.1" }));
        assert_eq!(value.to_string(), r#"{"a":0.6845,"b":[1,2.5e-8,-3.0],"c":"0.1"}"#);
    }
}

//! Patterns of names with braces, as shells and WebDataset expand them: `train-{000000..000146}.tar`, `{train,val}-{0..7}.tar`.

use palimpsest_core::{Error, Result};

/// Names that one pattern may stand for.
const MOST: usize = 1_000_000;

/// The names that a pattern stands for, in order. Ranges are of whole numbers, padded as they are written, or of
/// letters, with a step or not; lists may hold patterns; braces that are neither stay as they are.
///
/// # Errors
/// A pattern of more than a million names.
pub(crate) fn expanded(pattern: &str) -> Result<Vec<String>> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, choices, after)) = first_group(rest)? {
        names = products(&names, before, &choices)?;
        rest = after;
    }
    products(&names, rest, &[String::new()])
}

fn products(starts: &[String], between: &str, ends: &[String]) -> Result<Vec<String>> {
    if starts.len().saturating_mul(ends.len()) > MOST {
        return Err(too_many());
    }
    let pairs = starts.iter().flat_map(|start| ends.iter().map(move |end| (start, end)));
    Ok(pairs.map(|(start, end)| format!("{start}{between}{end}")).collect())
}

fn too_many() -> Error {
    Error::user(format!("the pattern stands for more than {MOST} names"))
        .help("give the folder, or a text file with a shard a line")
}

/// What comes before the first group of braces that stands for something, what it stands for, and what follows.
fn first_group(text: &str) -> Result<Option<(&str, Vec<String>, &str)>> {
    for (open, _) in text.match_indices('{') {
        let Some(close) = closing(&text[open..]).map(|at| open + at) else { continue };
        let inner = &text[open + 1..close];
        let choices = match range(inner)? {
            Some(range) => range,
            None => match listed(inner) {
                parts if parts.len() > 1 => {
                    let mut all = Vec::new();
                    for part in parts {
                        all.extend(expanded(part)?);
                    }
                    all
                }
                _ => continue,
            },
        };
        return Ok(Some((&text[..open], choices, &text[close + 1..])));
    }
    Ok(None)
}

/// The place of the brace that closes the first one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The parts between the commas that are in no inner braces.
fn listed(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `000..146`, `3..1`, `0..10..2`, `a..e`.
fn range(text: &str) -> Result<Option<Vec<String>>> {
    let parts: Vec<&str> = text.split("..").collect();
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, Some(1)),
        [first, last, step] => (first, last, step.parse::<i64>().ok().map(i64::abs)),
        _ => return Ok(None),
    };
    let Some(step @ 1..) = step else { return Ok(None) };
    let letter = |text: &str| match text.as_bytes() {
        [c] if c.is_ascii_alphabetic() => Some(i64::from(*c)),
        _ => None,
    };
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| !text.starts_with('+'));
    let padded = |text: &str| {
        let digits = text.trim_start_matches('-');
        digits.len() > 1 && digits.starts_with('0')
    };
    let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
    let (from, to, letters) = match (number(first), number(last), letter(first), letter(last)) {
        (Some(from), Some(to), ..) => (from, to, false),
        (_, _, Some(from), Some(to)) => (from, to, true),
        _ => return Ok(None),
    };
    let count = from.abs_diff(to) / step.unsigned_abs() + 1;
    if count > MOST as u64 {
        return Err(too_many());
    }
    let step = if from <= to { step } else { -step };
    let values = (0..count as i64).map(|i| from + i * step);
    Ok(Some(
        values
            .map(|value| match letters {
                true => char::from(value as u8).to_string(),
                false => format!("{value:0width$}"),
            })
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::expanded;

    /// What Python's `braceexpand` 0.1.7 gives, which WebDataset calls.
    #[test]
    fn as_python_expands() {
        let cases: [(&str, &[&str]); 12] = [
            ("a", &["a"]),
            ("s-{000..002}.tar", &["s-000.tar", "s-001.tar", "s-002.tar"]),
            ("{8..11}", &["8", "9", "10", "11"]),
            ("{08..11}", &["08", "09", "10", "11"]),
            ("{3..1}", &["3", "2", "1"]),
            ("{0..6..3}", &["0", "3", "6"]),
            ("{a..c}", &["a", "b", "c"]),
            ("{train,val}-{0..1}", &["train-0", "train-1", "val-0", "val-1"]),
            ("{a,b{1..2}}", &["a", "b1", "b2"]),
            ("{a,}x", &["ax", "x"]),
            ("{a}", &["{a}"]),
            ("x{1..b}", &["x{1..b}"]),
        ];
        for (pattern, want) in cases {
            assert_eq!(expanded(pattern).expect("few names"), want, "{pattern}");
        }
    }

    #[test]
    fn a_mistyped_range_takes_no_memory() {
        for pattern in ["{0..99999999999}", "{0..99999}{0..99999}"] {
            assert!(expanded(pattern).expect_err("too many").to_string().contains("more than 1000000"));
        }
    }
}

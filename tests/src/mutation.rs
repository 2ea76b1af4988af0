//! Texts that others wrote, and what becomes of them in the hands of an editor, a full disk or an older version.

use std::path::Path;

use proptest::prelude::*;

/// What is put into a text: the signs of TOML and JSON, and values that few expect.
const PIECES: [&str; 24] = [
    "",
    "=",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "#",
    "\n",
    ",",
    ".",
    ":",
    "-1",
    "0",
    "1e999",
    "nan",
    "null",
    "true",
    "18446744073709551616",
    "\u{0}",
    "é",
    "\u{feff}",
    "𝄞",
];

/// The committed seeds of a folder: the text of each file, in the order of their names.
///
/// # Panics
/// No such folder, or a file that is no text.
pub fn seeds(folder: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(folder).expect("a folder of seeds").map(|entry| entry.expect("a seed").path());
    let mut paths: Vec<_> = entries.filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("a text")).collect()
}

/// One of the texts with up to four changes: a piece in place of some letters, a line twice, a line less, an early end.
pub fn mutated(seeds: Vec<String>) -> impl Strategy<Value = String> {
    let change = (0usize..5, 0.0f64..1.0, 0usize..12, 0..PIECES.len());
    (0..seeds.len(), prop::collection::vec(change, 0..5)).prop_map(move |(seed, changes)| {
        changes.into_iter().fold(seeds[seed].clone(), |text, (kind, at, length, piece)| {
            let letters: Vec<char> = text.chars().collect();
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let (letter, line) = ((at * letters.len() as f64) as usize, (at * lines.len() as f64) as usize);
            let rest = |from: usize| letters[from.min(letters.len())..].iter().collect::<String>();
            let before: String = letters[..letter].iter().collect();
            match kind {
                0 | 1 => before + PIECES[piece] + &rest(letter + length),
                2 => lines[..line].concat() + lines.get(line).unwrap_or(&"") + &lines[line..].concat(),
                3 => lines[..line].concat() + &lines[(line + 1).min(lines.len())..].concat(),
                _ => before,
            }
        })
    })
}

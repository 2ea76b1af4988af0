//! Where YOLO's sets name their classes.

use std::path::Path;

use palimpsest_core::{Error, Result};

use crate::formats::text_lines::TextLines;

/// The lines of classes.txt or obj.names, or `names` of data.yaml.
pub(super) fn class_names(root: &Path) -> Result<Vec<String>> {
    for name in ["classes.txt", "obj.names", "labels/classes.txt"] {
        let list = root.join(name);
        if list.is_file() {
            return TextLines::read(&list)?.entries();
        }
    }
    for name in ["data.yaml", "dataset.yaml"] {
        let file = root.join(name);
        if file.is_file() {
            return yaml_names(&TextLines::read(&file)?).ok_or_else(|| {
                Error::user("no list `names` that can be read")
                    .at(file.display())
                    .help("write the classes to classes.txt, one a line")
            });
        }
    }
    Err(Error::user("no names of the classes")
        .at(root.display())
        .help("write them to classes.txt, one a line"))
}

/// `names` in the three ways in which it is written: `[a, b]`, `- a`, `0: a`. No more of YAML is read.
fn yaml_names(file: &TextLines) -> Option<Vec<String>> {
    let clean = |name: &str| name.trim().trim_matches(['\'', '"']).to_owned();
    let mut lines = file.lines().skip_while(|line| !line.text.starts_with("names:"));
    let first = lines.next()?.text.strip_prefix("names:")?.trim();
    if let Some(inline) = first.strip_prefix('[') {
        let names: Vec<String> = inline.strip_suffix(']')?.split(',').map(clean).collect();
        return (!names.iter().any(String::is_empty)).then_some(names);
    }
    let mut names = Vec::new();
    for line in lines {
        let name = match (line.text.strip_prefix("- "), line.text.split_once(':')) {
            (Some(name), _) => name,
            (None, Some((number, name))) if number.parse() == Ok(names.len()) => name,
            _ => break,
        };
        names.push(clean(name));
    }
    (!names.is_empty()).then_some(names)
}

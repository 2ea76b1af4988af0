//! Keys of samples: what WebDataset calls a sample, from the names of image files.

use std::collections::HashMap;

use palimpsest_core::data::Dataset;

use crate::decode::EXTENSIONS;

/// The keys of all samples, each once, in the order of the data.
///
/// A key is the name without its ending. WebDataset ends it at the first dot behind the last `/`, so that other dots of
/// a file's name become `-`, which sorts next to the dot; folders keep theirs, but for one in front. A key that is
/// taken gets a number. Samples without a name are numbered.
pub(super) fn keys_of(data: &dyn Dataset) -> Vec<Box<str>> {
    let mut taken: HashMap<Box<str>, u32> = HashMap::with_capacity(data.len());
    let mut keys = Vec::with_capacity(data.len());
    for index in 0..data.len() {
        let wanted = data.name(index).map_or_else(|| format!("{index:08}"), |name| key_of(&name));
        keys.push(free(wanted.into(), &mut taken));
    }
    keys
}

/// The key itself where it is free, else with the least number from 2 on that makes it so.
fn free(wanted: Box<str>, taken: &mut HashMap<Box<str>, u32>) -> Box<str> {
    let mut number = match taken.get(&wanted) {
        None => {
            taken.insert(wanted.clone(), 2);
            return wanted;
        }
        Some(&next) => next,
    };
    loop {
        let key: Box<str> = format!("{wanted}-{number}").into();
        number += 1;
        if !taken.contains_key(&key) {
            taken.insert(key.clone(), 2);
            taken.insert(wanted, number);
            return key;
        }
    }
}

fn key_of(name: &str) -> String {
    let name = name.replace('\\', "/");
    let mut parts: Vec<String> = name
        .split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .map(|part| part.chars().map(|c| if c.is_control() { '-' } else { c }).collect())
        .collect();
    let file = parts.pop().unwrap_or_default();
    let mut key = String::new();
    for folder in &parts {
        // Hidden folders are passed over by readers.
        match folder.strip_prefix('.') {
            Some(rest) => key += &format!("-{rest}/"),
            None => key += &format!("{folder}/"),
        }
    }
    let stem = match file.rsplit_once('.') {
        Some((stem, ending)) if EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(ending)) => stem,
        _ => &file,
    };
    key += &stem.replace('.', "-");
    if stem.is_empty() { key + "-" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_before_the_first_dot() {
        for (name, key) in [
            ("cats/7.jpg", "cats/7"),
            ("cats/7.v2.final.JPG", "cats/7-v2-final"),
            ("v1.0/cats.d/7.png", "v1.0/cats.d/7"),
            (".hidden/.7.png", "-hidden/-7"),
            ("../a//./b.webp", "a/b"),
            ("/absolute/b.jpeg", "absolute/b"),
            (r"windows\b.jpeg", "windows/b"),
            ("no_ending", "no_ending"),
            ("other.ending", "other-ending"),
            ("line\nbreak.png", "line-break"),
            (".png", "-"),
            ("", "-"),
        ] {
            assert_eq!(key_of(name), key, "{name}");
        }
    }

    #[test]
    fn keys_are_given_once() {
        let mut taken = HashMap::new();
        let keys = ["a", "a", "a-2", "a", "b", "a-2"].map(|key| free(key.into(), &mut taken));
        assert_eq!(keys.each_ref().map(|key| &**key), ["a", "a-2", "a-2-2", "a-3", "b", "a-2-3"]);
    }
}

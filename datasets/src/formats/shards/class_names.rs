//! The classes of labels that are written as text, as shards hold them.

use std::collections::{BTreeSet, HashMap};

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use crate::formats::shown::shown;

/// The classes of the texts that occur, and the label of each. Without `given` they are the texts themselves: sorted by
/// value if all are whole numbers, else as text. With it, the texts are its names; or, where some isn't, numbers of
/// its names from 0.
///
/// # Errors
/// A text that is none of the given names.
pub(crate) fn classes_of<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    given: &[String],
) -> Result<(Vec<String>, HashMap<&'a str, u32>)> {
    let texts: BTreeSet<&str> = texts.into_iter().collect();
    if given.is_empty() {
        let mut names: Vec<&str> = texts.into_iter().collect();
        if names.iter().all(|name| number(name).is_some()) {
            names.sort_by_key(|name| number(name));
        }
        let labels = names.iter().copied().zip(0..).collect();
        return Ok((names.into_iter().map(str::to_owned).collect(), labels));
    }
    let place = |text: &str| given.iter().position(|name| name == text);
    let by_name = texts.iter().all(|text| place(text).is_some());
    let numbered = |text: &str| usize::try_from(number(text)?).ok().filter(|&at| at < given.len());
    let label = |text: &'a str| -> Result<(&'a str, u32)> {
        let at = if by_name { place(text) } else { numbered(text) };
        let at = at.ok_or_else(|| match number(text) {
            Some(_) => {
                Error::user(format!("the label {} is no number of {} classes", shown(text), given.len()))
                    .help("numbers begin at 0; complete `classes`")
            }
            None => unknown_name("class", &shown(text), given.iter().map(String::as_str)),
        })?;
        Ok((text, at as u32))
    };
    let labels = texts.into_iter().map(label).collect::<Result<_>>()?;
    Ok((given.to_vec(), labels))
}

/// A whole number as it is written without superfluous zeros: `007` is a name.
fn number(text: &str) -> Option<i128> {
    let number: i128 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(texts: &[&str], given: &[&str]) -> Result<(Vec<String>, Vec<u32>)> {
        let given: Vec<String> = given.iter().map(|&name| name.to_owned()).collect();
        let (names, labels) = classes_of(texts.iter().copied(), &given)?;
        Ok((names, texts.iter().map(|text| labels[text]).collect()))
    }

    #[test]
    fn numbers_by_value_and_names_by_text() {
        let found = classes(&["10", "9", "-1", "10"], &[]).expect("numbers");
        assert_eq!(found, (["-1", "9", "10"].map(String::from).to_vec(), vec![2, 1, 0, 2]));
        // Of 64 bits without a sign.
        let found = classes(&["18446744073709551615", "9"], &[]).expect("numbers");
        assert_eq!(found.1, [1, 0]);
        let found = classes(&["10", "9", "cat"], &[]).expect("names");
        assert_eq!(found.1, [0, 1, 2]);
    }

    #[test]
    fn given_classes_are_names_or_numbered() {
        assert_eq!(classes(&["dog", "cat"], &["cat", "dog"]).expect("names").1, [1, 0]);
        assert_eq!(classes(&["1", "0"], &["cat", "dog"]).expect("numbers").1, [1, 0]);
        assert_eq!(classes(&["5", "3"], &["3", "5"]).expect("names that are numbers").1, [1, 0]);
        let error = |texts: &[&str]| classes(texts, &["cat", "dog"]).expect_err("no class").to_string();
        assert!(error(&["2"]).contains("the label 2 is no number of 2 classes"));
        assert!(error(&["cats"]).contains("did you mean `cat`"));
    }
}

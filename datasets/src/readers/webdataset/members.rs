//! Which members of a sample are read, and how their names are cut into a sample's key and a suffix.

use palimpsest_core::{Error, Result};
use serde_json::Value;

use crate::formats::json::without_nan;

/// What is read of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Members {
    /// The suffixes of images, in lower case: the first that a sample has is taken.
    pub(super) images: Vec<String>,
    pub(super) label: Option<LabelMember>,
}

/// Where the label of a sample stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelMember {
    /// The suffix of the member, in lower case.
    pub(super) suffix: String,
    pub(super) form: Form,
}

/// What a label's member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// The label.
    Text,
    /// JSON, with the label at the end of these keys.
    Class(Vec<String>),
    /// JSON, with something at the end of each of these: all of it together is the label, as a list in JSON.
    Targets(Vec<Vec<String>>),
}

impl Form {
    /// What stands at a place is called: `json:a.age` is `a.age`.
    pub(super) fn name_of(place: &str) -> &str {
        place.split_once(':').map_or(place, |(_, path)| path)
    }
}

fn keys_of(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// In lower case, without a dot before it.
fn suffix_of(text: &str) -> String {
    text.trim().trim_start_matches('.').to_lowercase()
}

/// What is at the end of some keys, of which those of lists are numbers.
pub(super) fn at<'a>(whole: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(whole, |value, key| match value {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        value => value.get(key),
    })
}

/// A label as it was found.
pub(super) enum Label {
    Text(String),
    /// Empty, or there is nothing at the path.
    None,
    /// Neither UTF-8 nor, where that is wanted, JSON, and why.
    Unreadable(String),
}

impl Members {
    /// Of the reader's keys.
    ///
    /// # Errors
    /// No suffix of images.
    pub(super) fn of(image: &str, label: &str) -> Result<Self> {
        let images: Vec<String> = image.split(';').map(suffix_of).filter(|text| !text.is_empty()).collect();
        // The table of samples has a byte for each.
        if images.is_empty() || images.len() > 250 {
            return Err(Error::user(format!("image = \"{image}\" names no members"))
                .help("give the images' endings, as \"jpg;png\""));
        }
        let label = match label.split_once(':') {
            _ if label.trim().is_empty() => None,
            Some((member, path)) => {
                Some(LabelMember { suffix: suffix_of(member), form: Form::Class(keys_of(path)) })
            }
            None => Some(LabelMember { suffix: suffix_of(label), form: Form::Text }),
        };
        Ok(Self { images, label })
    }

    /// As text that is different where the members are.
    pub(super) fn text(&self) -> String {
        let label = self.label.as_ref().map_or_else(String::new, |label| match &label.form {
            Form::Class(path) => format!("{}:{}", label.suffix, path.join(".")),
            Form::Text => label.suffix.clone(),
            Form::Targets(paths) => {
                let paths: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
                format!("{} targets {}", label.suffix, paths.join(" "))
            }
        });
        format!("image = {}\nlabel = {label}\n", self.images.join(";"))
    }
}

impl LabelMember {
    /// Of places in members of JSON, as `json:path.to.it`.
    ///
    /// # Errors
    /// A place that is none, or places in members of several suffixes.
    pub(super) fn of_targets(places: &[&str]) -> Result<Self> {
        let help = "give places as \"json:path.to.it\"";
        let split = |place: &&str| match place.split_once(':') {
            Some((suffix, path)) if !path.is_empty() => Ok((suffix_of(suffix), keys_of(path))),
            _ => Err(Error::user(format!("`{place}` is no place in a member")).help(help)),
        };
        let (suffixes, paths): (Vec<String>, Vec<_>) =
            places.iter().map(split).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        match suffixes.first() {
            Some(suffix) if suffixes.iter().all(|other| other == suffix) => {
                Ok(Self { suffix: suffix.clone(), form: Form::Targets(paths) })
            }
            _ => Err(Error::user("the places are in members of several suffixes").help(help)),
        }
    }

    /// The label that a member's bytes hold.
    ///
    /// # Errors
    /// JSON that has something other than a text or a whole number there.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Label> {
        let text = |text: &str| match text.trim() {
            "" => Label::None,
            text => Label::Text(text.to_owned()),
        };
        if self.form == Form::Text {
            let unreadable = || Label::Unreadable("not UTF-8".to_owned());
            return Ok(std::str::from_utf8(bytes).map_or_else(|_| unreadable(), text));
        }
        let whole = match serde_json::from_slice::<Value>(bytes) {
            Ok(whole) => whole,
            Err(error) => return Ok(Label::Unreadable(no_json(bytes, &error))),
        };
        let path = match &self.form {
            Form::Class(path) => path,
            Form::Text => return Ok(Label::None),
            Form::Targets(paths) => {
                let found = paths.iter().map(|path| at(&whole, path).cloned().unwrap_or_default());
                return Ok(Label::Text(Value::Array(found.collect()).to_string()));
            }
        };
        let Some(value) = at(&whole, path) else { return Ok(Label::None) };
        match value {
            Value::Null => Ok(Label::None),
            Value::String(label) => Ok(text(label)),
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                Ok(Label::Text(number.to_string()))
            }
            other => {
                let kind = match other {
                    Value::Bool(_) => "a truth value",
                    Value::Number(_) => "a fraction",
                    Value::Array(_) => "a list",
                    _ => "an object",
                };
                Err(Error::user(format!("`{}` is {kind}, not a class", path.join(".")))
                    .help("name a text or a whole number: data.reader.label=json:path.to.label"))
            }
        }
    }
}

/// Why a member is no JSON.
fn no_json(bytes: &[u8], error: &serde_json::Error) -> String {
    let with_null = without_nan(bytes).is_some_and(|plain| serde_json::from_slice::<Value>(&plain).is_ok());
    match with_null {
        true => "NaN or Infinity, which JSON hasn't; write null (json.dumps(…, allow_nan=False) finds them)"
            .to_owned(),
        false => format!("no JSON: {error}"),
    }
}

/// A member's name as key and suffix, as the Python package cuts it: at the first dot of the name without its folders,
/// which belong to the key. None for names without a dot, and for hidden ones.
pub(super) fn key_and_suffix(name: &str) -> Option<(&str, &str)> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = start + name[start..].find('.')?;
    (dot > start).then(|| (&name[..dot], &name[dot + 1..]))
}

/// Whether a member tells of the shard and not of a sample: `__index__`, `__meta__/…`.
pub(super) fn is_meta(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or_default();
    // As `re.match(r"__[^/]*__($|/)")` has it: at least both pairs.
    first.len() >= 4 && first.starts_with("__") && first.ends_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `base_plus_ext` of webdataset 1.0.2; but for hidden files in folders, whose key it takes to be the folder.
    #[test]
    fn names_are_cut_as_in_python() {
        for (name, want) in [
            ("a.jpg", Some(("a", "jpg"))),
            ("a.b.jpg", Some(("a", "b.jpg"))),
            ("x.y/a.b.jpg", Some(("x.y/a", "b.jpg"))),
            ("./n01/a.cls", Some(("./n01/a", "cls"))),
            ("a", None),
            ("x.y/a", None),
            ("._a.jpg", None),
            ("x/._a.jpg", None),
            ("x/", None),
        ] {
            assert_eq!(key_and_suffix(name), want, "{name}");
        }
        for (name, want) in [("__a__", true), ("__a__/b.jpg", true), ("__a.jpg", false), ("x/__a__", false)] {
            assert_eq!(is_meta(name), want, "{name}");
        }
    }

    #[test]
    fn labels_of_json() {
        let label = |path: &str, json: &str| {
            let members = Members::of("jpg", &format!("json:{path}")).expect("members");
            let label = members.label.expect("a label").read(json.as_bytes());
            label.map(|label| match label {
                Label::Text(text) => text,
                Label::None => "none".to_owned(),
                Label::Unreadable(why) => why,
            })
        };
        let json = r#"{"a": {"b": " cat ", "n": 7, "f": 0.5, "l": ["x", "y"]}}"#;
        for (path, want) in [("a.b", "cat"), ("a.n", "7"), ("a.l.1", "y"), ("a.x", "none"), ("b", "none")] {
            assert_eq!(label(path, json).expect("a label"), want, "{path}");
        }
        assert!(label("a", "{").expect("none").starts_with("no JSON: EOF"));
        // As Python writes it; within a text it is one.
        assert!(label("a.b", r#"{"a": {"b": NaN}}"#).expect("none").contains("write null"));
        assert_eq!(label("a", r#"{"a": "NaN"}"#).expect("a label"), "NaN");
        for (path, kind) in [("a.f", "a fraction"), ("a.l", "a list"), ("a", "an object")] {
            assert!(label(path, json).expect_err("no class").to_string().contains(kind));
        }
    }
}

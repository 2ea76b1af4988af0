//! Which members of a sample are read, and how their names are cut into a sample's key and a suffix.

use palimpsest_core::{Error, Result};
use serde_json::Value;

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
    /// The keys down to the label where the member is JSON; else the member is the label.
    pub(super) path: Option<Vec<String>>,
}

/// A label as it was found.
pub(super) enum Label {
    Text(String),
    /// Empty, or there is nothing at the path.
    None,
    /// Neither UTF-8 nor, where that is wanted, JSON.
    Unreadable,
}

impl Members {
    /// Of the reader's keys.
    ///
    /// # Errors
    /// No suffix of images.
    pub(super) fn of(image: &str, label: &str) -> Result<Self> {
        let suffix = |text: &str| text.trim().trim_start_matches('.').to_lowercase();
        let images: Vec<String> = image.split(';').map(suffix).filter(|text| !text.is_empty()).collect();
        // The table of samples has a byte for each.
        if images.is_empty() || images.len() > 250 {
            return Err(Error::user(format!("image = \"{image}\" names no members"))
                .help("give the images' endings, as \"jpg;png\""));
        }
        let label = match label.split_once(':') {
            _ if label.trim().is_empty() => None,
            Some((member, path)) => {
                let path = path.split('.').map(str::to_owned).collect();
                Some(LabelMember { suffix: suffix(member), path: Some(path) })
            }
            None => Some(LabelMember { suffix: suffix(label), path: None }),
        };
        Ok(Self { images, label })
    }

    /// As text that is different where the members are.
    pub(super) fn text(&self) -> String {
        let label = self.label.as_ref().map_or_else(String::new, |label| match &label.path {
            Some(path) => format!("{}:{}", label.suffix, path.join(".")),
            None => label.suffix.clone(),
        });
        format!("image = {}\nlabel = {label}\n", self.images.join(";"))
    }
}

impl LabelMember {
    /// The label that a member's bytes hold.
    ///
    /// # Errors
    /// JSON that has something other than a text or a whole number there.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Label> {
        let text = |text: &str| match text.trim() {
            "" => Label::None,
            text => Label::Text(text.to_owned()),
        };
        let Some(path) = &self.path else {
            return Ok(std::str::from_utf8(bytes).map_or(Label::Unreadable, text));
        };
        let Ok(whole) = serde_json::from_slice::<Value>(bytes) else { return Ok(Label::Unreadable) };
        let mut value = &whole;
        for key in path {
            let inner = match value {
                Value::Array(list) => key.parse::<usize>().ok().and_then(|at| list.get(at)),
                value => value.get(key),
            };
            let Some(inner) = inner else { return Ok(Label::None) };
            value = inner;
        }
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
                Label::Unreadable => "unreadable".to_owned(),
            })
        };
        let json = r#"{"a": {"b": " cat ", "n": 7, "f": 0.5, "l": ["x", "y"]}}"#;
        for (path, want) in [("a.b", "cat"), ("a.n", "7"), ("a.l.1", "y"), ("a.x", "none"), ("b", "none")] {
            assert_eq!(label(path, json).expect("a label"), want, "{path}");
        }
        assert_eq!(label("a", "{").expect("none"), "unreadable");
        for (path, kind) in [("a.f", "a fraction"), ("a.l", "a list"), ("a", "an object")] {
            assert!(label(path, json).expect_err("no class").to_string().contains(kind));
        }
    }
}

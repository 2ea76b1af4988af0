//! Keys that name labels or numbers, and find none: a place that no sample has is most likely a mistyped one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};
use serde_json::Value;
use tar::Archive;

use super::members::{Form, LabelMember, Members, at, is_meta, key_and_suffix};
use crate::formats::shards::ShardFiles;
use crate::spec::DataSpec;

/// Members of JSON that are looked at, spread over the shards.
const LOOKED_AT: usize = 10_000;

/// Each of the `places` that the reader's `key` names is there, whose values in the training part are these (`texts`: lists
/// in JSON, with null for what isn't there).
///
/// # Errors
/// One that no sample has.
pub(super) fn check_all(spec: &DataSpec, texts: &[String], places: &[&str], key: &str) -> Result<()> {
    let rows: Vec<Vec<Value>> = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let absent = |at: usize| rows.iter().all(|row| row.get(at).is_none_or(Value::is_null));
    (0..places.len()).filter(|&at| absent(at)).try_for_each(|at| check(spec, places[at], key))
}

/// What the reader's `key` names is there, though no sample of the training part tells anything by it: all may be null.
///
/// # Errors
/// No sample of any part has it.
pub(super) fn check(spec: &DataSpec, place: &str, key: &str) -> Result<()> {
    let Some(LabelMember { suffix, form }) = Members::of("x", place)?.label else { return Ok(()) };
    let path = match form {
        Form::Class(path) => Some(path),
        _ => None,
    };
    let seen = Seen::of(spec, &suffix, path.as_deref())?;
    if seen.found {
        return Ok(());
    }
    let error = |what: String, (given, known): (&str, &BTreeSet<String>), of: &str| {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = unknown_name("place", given, known).help_text().unwrap_or_default().to_owned();
        Error::user(what).at(format_args!("`data.reader.{key}`")).help(format!("{help}: {of}"))
    };
    Err(match seen.whole {
        Some((location, whole)) => {
            let mut known = BTreeSet::new();
            collect(&whole, &format!("{suffix}:"), &mut known);
            error(
                format!("no sample has `{place}`"),
                (place, &known),
                &format!("that is what {location} holds"),
            )
        }
        None => error(
            format!("no sample has a member called *.{suffix}"),
            (&suffix, &seen.suffixes),
            "that is how members are called",
        ),
    })
}

/// What some of the samples have.
#[derive(Default)]
struct Seen {
    found: bool,
    suffixes: BTreeSet<String>,
    /// The first member of JSON, with its place.
    whole: Option<(String, Value)>,
}

impl Seen {
    fn of(spec: &DataSpec, suffix: &str, path: Option<&[String]>) -> Result<Self> {
        let files = ShardFiles::find(spec.path()?, "tar")?.files;
        let mut seen = Self::default();
        let most = LOOKED_AT / files.len().max(1) + 1;
        for file in files {
            let io = |e: std::io::Error| Error::io(&file, &e);
            let mut archive = Archive::new(File::open(&file).map_err(io)?);
            let mut looked_at = 0;
            // What is behind damage is told where the shard is indexed.
            for mut entry in archive.entries_with_seek().map_err(io)?.map_while(std::io::Result::ok) {
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let Some((_, own)) = key_and_suffix(&name).filter(|_| !is_meta(&name)) else { continue };
                let own = own.to_lowercase();
                if own == suffix {
                    let Some(path) = path else { return Ok(Self { found: true, ..seen }) };
                    let mut bytes = Vec::new();
                    let read = entry.read_to_end(&mut bytes).is_ok();
                    let whole = serde_json::from_slice::<Value>(&bytes).ok().filter(|_| read);
                    looked_at += 1;
                    // Of what is no JSON nothing can be said, which is told where it is indexed.
                    if whole.as_ref().is_none_or(|whole| at(whole, path).is_some()) {
                        return Ok(Self { found: true, ..seen });
                    }
                    if let Some(whole) = whole.filter(|_| seen.whole.is_none()) {
                        seen.whole = Some((format!("{}, {name}", file.display()), whole));
                    }
                }
                seen.suffixes.insert(own);
                if looked_at == most {
                    break;
                }
            }
        }
        Ok(seen)
    }
}

/// The places of all that stands in JSON, as a key names them; of a list the list.
fn collect(value: &Value, before: &str, known: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = format!("{before}{name}");
                match value {
                    Value::Object(_) => collect(value, &format!("{place}."), known),
                    _ => drop(known.insert(place)),
                }
            }
        }
        _ => drop(known.insert(before.to_owned())),
    }
}

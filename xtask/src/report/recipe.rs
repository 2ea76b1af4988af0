//! The recipe in one line, in full, and compared with others.

use palimpsest_core::recipe::ignored_by_hash;
use toml::{Table, Value};

/// A value by its dotted key.
fn find<'a>(recipe: &'a Table, key: &str) -> Option<&'a Value> {
    let mut keys = key.split('.');
    let first = recipe.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.as_table()?.get(key))
}

/// A number by its dotted key.
pub(super) fn number(recipe: &Table, key: &str) -> Option<f64> {
    let value = find(recipe, key)?;
    value.as_float().or_else(|| value.as_integer().map(|i| i as f64))
}

/// A recipe's title for people.
pub(super) fn recipe_title(recipe: &Table) -> String {
    let text = |key: &str| find(recipe, key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    let mut parts: Vec<String> = vec![];
    if let Some(kind) = text("encoder.kind") {
        let size = size(recipe).map_or(String::new(), |size| format!(" {size}"));
        let patch = text("encoder.patch").map_or(String::new(), |patch| format!("/{patch}"));
        let data = text("data.name").map_or(String::new(), |data| format!(" on {data}"));
        let side = text("data.image_size").map_or(String::new(), |side| format!(" at {side} px"));
        parts.push(format!("{kind}{size}{patch}{data}{side}"));
    }
    if let Some(kind) = text("corruption.kind") {
        let ratio = number(recipe, "corruption.ratio");
        let ratio = ratio.map_or(String::new(), |ratio| format!(" over {:.0} %", ratio * 100.0));
        let noise = text("noise.law.kind").map_or(String::new(), |law| {
            let at = text("noise.at").map_or(String::new(), |at| format!(" at {at}"));
            format!(" and {law} noise{at}")
        });
        parts.push(format!("{kind} masks{ratio}{noise}"));
    }
    if let Some(objectives) = find(recipe, "objective").and_then(Value::as_table) {
        let names: Vec<&str> = objectives.keys().map(String::as_str).collect();
        let plural = if names.len() == 1 { "objective" } else { "objectives" };
        parts.push(format!("{plural} {}", names.join(", ")));
    }
    if let Some(batch) = text("train.batch") {
        let length = match (number(recipe, "train.steps"), text("train.epochs")) {
            (Some(steps), _) if steps > 0.0 => format!(", {steps} steps"),
            (_, Some(epochs)) => format!(", {} epochs", epochs.trim_end_matches(".0")),
            _ => String::new(),
        };
        parts.push(format!("batch {batch}{length}"));
    }
    parts.join(" · ")
}

/// The encoder's size, with what of it is overridden.
fn size(recipe: &Table) -> Option<String> {
    let own = [("width", "dim"), ("blocks", "depth"), ("heads", "heads")];
    let own: Vec<String> = own
        .into_iter()
        .filter_map(|(name, key)| {
            let value = number(recipe, &format!("encoder.{key}")).filter(|value| *value > 0.0)?;
            Some(if name == "width" { format!("width {value}") } else { format!("{value} {name}") })
        })
        .collect();
    let named = find(recipe, "encoder.size").and_then(Value::as_str);
    match (named, own.len()) {
        (_, 3) => Some(format!("({})", own.join(", "))),
        (Some(size), 0) => Some(size.to_owned()),
        (Some(size), _) => Some(format!("{size} ({})", own.join(", "))),
        (None, 0) => None,
        (None, _) => Some(format!("({})", own.join(", "))),
    }
}

/// The words of a command line that change the recipe: overrides, and the options that stand for one.
pub(super) fn overrides<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut found = vec![];
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word {
            "--set" => found.extend(words.next().map(str::to_owned)),
            "--steps" => found.extend(words.next().map(|steps| format!("train.steps={steps}"))),
            _ if crate::cli::is_override(word) => found.push(word.to_owned()),
            _ => {}
        }
    }
    found
}

/// The keys whose values differ among recipes, each with its value in every recipe.
pub(super) fn differences(recipes: &[&Table]) -> Vec<(String, Vec<String>)> {
    let flat: Vec<Vec<(String, String)>> = recipes.iter().map(|recipe| flatten(recipe)).collect();
    let mut keys: Vec<&String> = flat.iter().flatten().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| !ignored_by_hash(key) || key.starts_with("eval."))
        .map(|key| {
            let of = |recipe: &Vec<(String, String)>| {
                let found = recipe.iter().find(|(k, _)| k == key);
                found.map_or_else(|| super::number::UNKNOWN.to_owned(), |(_, value)| value.clone())
            };
            (key.clone(), flat.iter().map(of).collect::<Vec<_>>())
        })
        .filter(|(_, values)| values.iter().any(|value| *value != values[0]))
        .collect()
}

/// Dotted keys and their values as text.
pub(super) fn flatten(table: &Table) -> Vec<(String, String)> {
    let mut out = vec![];
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                out.extend(flatten(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            Value::String(text) => out.push((key.clone(), text.clone())),
            value => out.push((key.clone(), value.to_string())),
        }
    }
    out
}

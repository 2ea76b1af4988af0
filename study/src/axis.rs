//! The values of an axis: a list, a range, or named variants that set several keys each.

use std::collections::BTreeMap;

use palimpsest_core::{Error, Result};
use serde::Deserialize;

/// What an axis takes in turn.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Axis {
    /// Values of the key that the axis is called by.
    List(Vec<toml::Value>),
    /// Numbers.
    Range(Range),
    /// Variants by name, each with the keys that it sets; the axis has a name of its own.
    Variants(BTreeMap<String, toml::Table>),
}

/// Numbers from `from` to `to`, both among them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first.
    pub from: f64,
    /// The last.
    pub to: f64,
    /// The distance between two; where it isn't given, `count` is.
    pub step: Option<f64>,
    /// How many.
    pub count: Option<usize>,
    /// Whether neighbours have a constant quotient in place of a constant difference.
    #[serde(default)]
    pub log: bool,
}

/// More values than this on one axis are a mistake.
const MOST: usize = 100_000;

impl Range {
    /// The numbers.
    ///
    /// # Errors
    /// Neither or both of `step` and `count`; numbers that make no range.
    pub fn numbers(&self) -> Result<Vec<f64>> {
        let Self { from, to, step, count, log } = *self;
        if !from.is_finite() || !to.is_finite() {
            return Err(Error::user(format!("{from} to {to} is no range")).help("give finite numbers"));
        }
        let count = match (step, count) {
            (None, None) | (Some(_), Some(_)) => {
                return Err(Error::user("a range has either `step` or `count`")
                    .help("write { from = 0.2, to = 1.0, count = 5 }"));
            }
            (Some(_), None) if log => {
                return Err(Error::user("a logarithmic range has no `step`").help("give `count`"));
            }
            (Some(step), None) => {
                let steps = (to - from) / step;
                if !steps.is_finite() || steps < 0.0 || steps > MOST as f64 {
                    return Err(Error::user(format!("{from} to {to} by {step} is no range"))
                        .help("let `step` lead from `from` to `to`"));
                }
                // A step of 0.1 has no exact binary form: 0.3 is three steps.
                if (steps - steps.round()).abs() > 1e-9 * steps.max(1.0) {
                    return Err(Error::user(format!("{from} to {to} by {step} never comes to {to}"))
                        .help("let `step` lead from `from` to `to`, or give `count`"));
                }
                1 + steps.round() as usize
            }
            (None, Some(count)) => count,
        };
        if count == 0 || count > MOST {
            return Err(Error::user(format!("{count} values")).help(format!("choose 1 to {MOST}")));
        }
        if log && (from <= 0.0 || to <= 0.0) {
            return Err(
                Error::user(format!("a logarithmic range from {from} to {to}")).help("its ends are above 0")
            );
        }
        let last = count.saturating_sub(1).max(1) as f64;
        let number = |i: usize| match (step, log) {
            (Some(step), _) => from + i as f64 * step,
            (None, true) => from * (to / from).powf(i as f64 / last),
            (None, false) => from + (to - from) * (i as f64 / last),
        };
        // Twelve digits that count: more are an accident of binary fractions, and would be in every name.
        let rounded = |value: f64| format!("{value:.11e}").parse().unwrap_or(value);
        Ok((0..count).map(|i| rounded(number(i))).collect())
    }
}

/// One value of an axis: what it is called, and the keys that it sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// As tables and comparisons name it.
    pub label: String,
    /// Overrides.
    pub changes: Vec<String>,
    /// Another recipe than the grid's.
    pub recipe: Option<String>,
}

/// The key by which a level or a grid chooses another recipe file.
pub const RECIPE: &str = "recipe";

impl Axis {
    /// The levels of the axis called `key`.
    ///
    /// # Errors
    /// A range that is none; an axis without values, or with one twice.
    pub fn levels(&self, key: &str) -> Result<Vec<Level>> {
        let single = |value: &toml::Value| {
            let table = toml::Table::from_iter([(key.to_owned(), value.clone())]);
            level(label(value), &table)
        };
        let levels: Vec<Level> = match self {
            Self::List(values) => values.iter().map(single).collect::<Result<_>>()?,
            Self::Range(range) => {
                let numbers = range.numbers()?;
                // A key of whole numbers refuses 2.0.
                let whole = numbers.iter().all(|n| n.fract() == 0.0 && n.abs() < 1e15);
                let value = |n: f64| if whole { toml::Value::Integer(n as i64) } else { n.into() };
                numbers.into_iter().map(|n| single(&value(n))).collect::<Result<_>>()?
            }
            Self::Variants(variants) => {
                variants.iter().map(|(name, keys)| level(name.clone(), keys)).collect::<Result<_>>()?
            }
        };
        if let Some(bad) = levels.iter().find(|level| level.label.chars().any(char::is_control)) {
            return Err(
                Error::user(format!("{:?} is no name", bad.label)).help("use letters, digits and signs")
            );
        }
        if levels.is_empty() {
            return Err(Error::user("has no values").help("give at least one"));
        }
        if let Some((_, twice)) =
            levels.iter().enumerate().find(|(i, level)| levels[..*i].iter().any(|l| l.label == level.label))
        {
            return Err(Error::user(format!("has `{}` twice", twice.label)).help("drop one"));
        }
        Ok(levels)
    }
}

fn level(label: String, keys: &toml::Table) -> Result<Level> {
    let (recipe, changes) = changes(keys)?;
    Ok(Level { label, changes, recipe })
}

/// A table of keys, dotted or nested, as `KEY=VALUE` overrides; and the recipe file where the table names one.
///
/// # Errors
/// A recipe that is no name.
pub fn changes(keys: &toml::Table) -> Result<(Option<String>, Vec<String>)> {
    let mut recipe = None;
    let mut out = vec![];
    for (key, value) in keys {
        match (key.as_str(), value) {
            (RECIPE, toml::Value::String(path)) => recipe = Some(path.clone()),
            (RECIPE, other) => {
                return Err(Error::user(format!("expected a recipe's file, found {other}")).at("`recipe`"));
            }
            // `seed` is the study's own business: it pairs the cells.
            ("seed", _) => {
                return Err(Error::user("the seed is no axis").at("`seed`").help(
                    "list the seeds in `seeds`: every cell has them all, so that differences are paired",
                ));
            }
            _ => out.push(format!("{key}={value}")),
        }
    }
    Ok((recipe, out))
}

/// A value as people name it: text without its quotes, 1.0 as 1.
pub fn label(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(text: &str) -> Axis {
        let table: BTreeMap<String, Axis> = toml::from_str(text).expect("an axis");
        table.into_values().next().expect("one axis")
    }

    fn labels(text: &str) -> Vec<String> {
        axis(text).levels("key").expect("levels").into_iter().map(|level| level.label).collect()
    }

    #[test]
    fn lists_ranges_and_variants() {
        assert_eq!(labels(r#"a = ["pixels", "block:0", 2, 0.5]"#), ["pixels", "block:0", "2", "0.5"]);
        assert_eq!(labels("a = { from = 0.1, to = 0.4, step = 0.1 }"), ["0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(labels("a = { from = 0, to = 6, count = 4 }"), ["0", "2", "4", "6"]);
        assert_eq!(labels("a = { from = 0.01, to = 1, count = 3, log = true }"), ["0.01", "0.1", "1"]);
        let variants = axis(
            "a = { mae = { recipe = \"mae.toml\" }, plain = { \"noise.share\" = 0.3, noise.at = \"pixels\" } }",
        );
        let levels = variants.levels("method").expect("levels");
        assert_eq!(levels[0].recipe.as_deref(), Some("mae.toml"));
        assert_eq!(levels[1].changes, ["noise={ at = \"pixels\" }", "noise.share=0.3"]);
    }

    #[test]
    fn mistakes_are_told() {
        for (text, told) in [
            ("a = { from = 0, to = 1 }", "either `step` or `count`"),
            ("a = { from = 1, to = 0, step = 0.5 }", "is no range"),
            ("a = { from = 0, to = 1, count = 3, log = true }", "logarithmic"),
            ("a = { from = 0.5, to = 0.7, step = 0.3 }", "never comes to 0.7"),
            ("a = []", "has no values"),
            ("a = { \"x\\ny\" = {} }", "is no name"),
            ("a = [1, 1]", "`1` twice"),
            ("a = { x = { seed = 1 } }", "the seed is no axis"),
        ] {
            let error = axis(text).levels("key").expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}

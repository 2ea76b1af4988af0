//! Choosing runs: conditions on their keys, and an order.

use std::cmp::Ordering;
use std::str::FromStr;

use palimpsest_core::{Error, Result};

use super::{Listed, Runs, Value};

/// `KEY OP VALUE`; `KEY` alone: it has a value; `!KEY`: it has none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Present,
    Absent,
    Compared(Operator, String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Contains,
    Lacks,
}

/// The longer ones first: `<=` begins with `<`.
const OPERATORS: [(&str, Operator); 9] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("!~", Operator::Lacks),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Contains),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let at = text.char_indices().skip(1).find_map(|(at, _)| {
            OPERATORS.iter().find(|(sign, _)| text[at..].starts_with(sign)).map(|found| (at, found))
        });
        let (key, test) = match at {
            Some((at, (sign, operator))) => {
                let value = text[at + sign.len()..].trim();
                let bare = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
                (&text[..at], Test::Compared(*operator, bare.unwrap_or(value).to_owned()))
            }
            None => match text.trim().strip_prefix('!') {
                Some(key) => (key, Test::Absent),
                None => (text, Test::Present),
            },
        };
        let key = key.trim();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(
                "write KEY OP VALUE with =, !=, <, <=, >, >=, ~ (contains) or !~, as 'loss < 0.5'".to_owned()
            );
        }
        Ok(Self { key: key.to_owned(), test })
    }
}

/// `70%`, `100MB` and plain numbers.
fn number(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 4] = [("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)];
    if let Some(percent) = text.strip_suffix('%') {
        // Divided, since a hundredth is no binary fraction and 70 of them are not 0.7.
        return percent.trim_end().parse::<f64>().ok().map(|percent| percent / 100.0);
    }
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), factor)));
    let (digits, factor) = unit.unwrap_or((text, &1.0));
    digits.parse::<f64>().ok().map(|number| number * factor)
}

impl Condition {
    /// Whether a run fulfils it. A run without the key differs from every value.
    fn holds(&self, runs: &Runs, run: &Listed) -> bool {
        let value = runs.value(run, &self.key);
        let (operator, due) = match &self.test {
            Test::Present => return value.is_some_and(|value| value != Value::Words(&[])),
            Test::Absent => return value.is_none_or(|value| value == Value::Words(&[])),
            Test::Compared(operator, due) => (*operator, due.as_str()),
        };
        let Some(value) = value else { return matches!(operator, Operator::Unequal | Operator::Lacks) };
        if let Value::Words(words) = value {
            let has = words.iter().any(|word| word == due);
            let part = words.iter().any(|word| word.contains(due));
            return match operator {
                Operator::Equal => has,
                Operator::Unequal => !has,
                Operator::Contains => part,
                Operator::Lacks => !part,
                _ => false,
            };
        }
        let text = value.shown("");
        let order = match (value.number(), number(due)) {
            (Some(value), Some(due)) => value.total_cmp(&due),
            _ => text.as_str().cmp(due),
        };
        match operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::Unequal => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::AtMost => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::AtLeast => order != Ordering::Less,
            Operator::Contains => text.contains(due),
            Operator::Lacks => !text.contains(due),
        }
    }

    /// That the key is known, and that what numbers are compared with is a number.
    fn check(&self, runs: &Runs) -> Result<()> {
        runs.check(&self.key)?;
        let Test::Compared(operator, due) = &self.test else { return Ok(()) };
        let orders = !matches!(operator, Operator::Contains | Operator::Lacks);
        let mut values = runs.runs.iter().filter_map(|run| runs.value(run, &self.key)).peekable();
        if orders && values.peek().is_some() && number(due).is_none() && values.all(|v| v.number().is_some())
        {
            return Err(Error::user(format!("`{}` is a number in every run, and `{due}` is none", self.key))
                .help("write it as 0.5, 70% or 100MB"));
        }
        Ok(())
    }
}

/// `KEY` or `KEY:desc`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) key: String,
    pub(crate) falling: bool,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (key, falling) = match text.rsplit_once(':') {
            Some((key, "desc")) => (key, true),
            Some((key, "asc")) => (key, false),
            Some((_, other)) => return Err(format!("`{other}` is no direction; write KEY:asc or KEY:desc")),
            None => (text, false),
        };
        Ok(Self { key: key.trim().to_owned(), falling })
    }
}

/// The runs that fulfil all conditions, in order; those without a key come last.
///
/// # Errors
/// A key that no run has.
pub(crate) fn select<'a>(
    runs: &'a Runs,
    conditions: &[Condition],
    orders: &[Order],
) -> Result<Vec<&'a Listed>> {
    conditions.iter().try_for_each(|condition| condition.check(runs))?;
    orders.iter().try_for_each(|order| runs.check(&order.key))?;
    let chosen = runs.runs.iter().filter(|run| conditions.iter().all(|c| c.holds(runs, run)));
    let mut keyed: Vec<(Vec<Option<Value<'_>>>, &Listed)> =
        chosen.map(|run| (orders.iter().map(|order| runs.value(run, &order.key)).collect(), run)).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let each = orders.iter().zip(a.iter().zip(b)).map(|(order, (a, b))| match (a, b) {
            (Some(a), Some(b)) if order.falling => b.order(a),
            (Some(a), Some(b)) => a.order(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        each.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    Ok(keyed.into_iter().map(|(_, run)| run).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_written() {
        let compared = |key: &str, operator, value: &str| Condition {
            key: key.to_owned(),
            test: Test::Compared(operator, value.to_owned()),
        };
        for (text, due) in [
            ("optimizer.lr<=1e-3", compared("optimizer.lr", Operator::AtMost, "1e-3")),
            (" loss < 0.5 ", compared("loss", Operator::Less, "0.5")),
            ("state = not finished", compared("state", Operator::Equal, "not finished")),
            ("note ~ 'a=b'", compared("note", Operator::Contains, "a=b")),
            ("tags !~ draft", compared("tags", Operator::Lacks, "draft")),
            ("seed==3", compared("seed", Operator::Equal, "3")),
            ("knn", Condition { key: "knn".to_owned(), test: Test::Present }),
            ("!knn", Condition { key: "knn".to_owned(), test: Test::Absent }),
        ] {
            assert_eq!(text.parse(), Ok(due), "{text}");
        }
        for bad in ["", "= 3", "two words", "a b = 3"] {
            assert!(bad.parse::<Condition>().is_err(), "{bad}");
        }
        assert_eq!(
            [number("70 %"), number("1.5GB"), number("1e-3"), number("x")],
            [Some(0.7), Some(1.5e9), Some(1e-3), None]
        );
    }

    #[test]
    fn orders_have_a_direction() {
        let order = |key: &str, falling| Ok(Order { key: key.to_owned(), falling });
        assert_eq!("knn:desc".parse(), order("knn", true));
        assert_eq!("optimizer.lr".parse(), order("optimizer.lr", false));
        assert!("knn:down".parse::<Order>().is_err());
    }
}

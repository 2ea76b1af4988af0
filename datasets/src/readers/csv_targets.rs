//! Columns of a list that give each image a set of labels, or numbers.

use csv::StringRecord;
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use crate::formats::shown::shown;
use crate::formats::target_table::{LabelTable, ValueTable};

use super::csv_list::CsvKeys;

/// What is written where nothing is known, by people and by what writes lists for them.
const MISSING: [&str; 6] = ["", "nan", "na", "n/a", "null", "none"];

/// Which columns have labels and numbers: those that the reader's keys name.
pub(super) struct TargetColumns {
    labels: Option<LabelColumns>,
    values: Vec<(usize, String)>,
}

/// Where the labels are.
enum LabelColumns {
    /// A column of 1 and 0 for each label.
    Flags(Vec<(usize, String)>),
    /// A column of lists of names, and what separates them.
    List(usize, String),
}

/// The labels of a row as it has them.
#[derive(Debug, Clone, PartialEq)]
enum RowLabels {
    Flags(Vec<Option<bool>>),
    Names(Vec<String>),
}

/// What a row tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct RowTargets {
    labels: Option<RowLabels>,
    values: Vec<Option<f32>>,
}

impl TargetColumns {
    /// By the header and the reader's keys.
    ///
    /// # Errors
    /// A column that there isn't, is named twice, or has the paths; both ways to give labels.
    pub(super) fn of(header: &StringRecord, keys: &CsvKeys, path: usize) -> Result<Self> {
        let names: Vec<&str> = header.iter().map(str::trim).collect();
        let column = |name: &str, key: &str| {
            let place = |e: Error| e.at(format_args!("`data.reader.{key}`"));
            let found = names.iter().position(|own| *own == name);
            let found = found.ok_or_else(|| place(unknown_name("column", name, names.iter().copied())))?;
            if found == path {
                let help = "name columns of labels or numbers";
                return Err(place(Error::user(format!("`{name}` has the paths")).help(help)));
            }
            Ok(found)
        };
        let columns = |wanted: &[String], key: &str| {
            let mut columns: Vec<(usize, String)> = vec![];
            for name in wanted {
                let found = column(name, key)?;
                if columns.iter().any(|(known, _)| *known == found) {
                    return Err(Error::user(format!("`{name}` is named twice"))
                        .at(format_args!("`data.reader.{key}`"))
                        .help("name each column once"));
                }
                columns.push((found, name.clone()));
            }
            Ok(columns)
        };
        let flags = columns(&keys.label_columns, "label_columns")?;
        let labels = match keys.label_list_column.as_str() {
            "" if flags.is_empty() => None,
            "" => Some(LabelColumns::Flags(flags)),
            _ if !flags.is_empty() => {
                return Err(Error::user("labels are given by columns of 1 and 0, and by lists too")
                    .at("`data.reader.label_list_column`")
                    .help("give label_columns or label_list_column"));
            }
            name => {
                if keys.label_list_separator.is_empty() {
                    return Err(Error::user("nothing separates the labels of a list")
                        .at("`data.reader.label_list_separator`")
                        .help("give what stands between them, as \"|\""));
                }
                let column = column(name, "label_list_column")?;
                Some(LabelColumns::List(column, keys.label_list_separator.clone()))
            }
        };
        Ok(Self { labels, values: columns(&keys.value_columns, "value_columns")? })
    }

    /// Whether a column is one of them: it has no class then.
    pub(super) fn has(&self, column: usize) -> bool {
        let among = |columns: &[(usize, String)]| columns.iter().any(|(own, _)| *own == column);
        among(&self.values)
            || match &self.labels {
                None => false,
                Some(LabelColumns::Flags(columns)) => among(columns),
                Some(LabelColumns::List(own, _)) => *own == column,
            }
    }

    /// What a row tells.
    ///
    /// # Errors
    /// A field that is neither 1 nor 0 nor unknown, or no number.
    pub(super) fn of_row(&self, row: &StringRecord) -> Result<RowTargets> {
        let field = |column: usize| row.get(column).unwrap_or_default().trim();
        let labels = match &self.labels {
            None => None,
            Some(LabelColumns::Flags(columns)) => {
                let flag = |(column, name): &(usize, String)| flag(field(*column), name);
                Some(RowLabels::Flags(columns.iter().map(flag).collect::<Result<_>>()?))
            }
            Some(LabelColumns::List(column, separator)) => {
                let names = field(*column).split(separator.as_str()).map(str::trim);
                Some(RowLabels::Names(names.filter(|name| !name.is_empty()).map(str::to_owned).collect()))
            }
        };
        let value = |(column, name): &(usize, String)| value(field(*column), name);
        Ok(RowTargets { labels, values: self.values.iter().map(value).collect::<Result<_>>()? })
    }

    /// The label sets of all rows, if the keys name any. In lists of names the labels are `known`, or where there are
    /// none those that occur.
    ///
    /// # Errors
    /// A label that is not among the known.
    pub(super) fn label_table<'a>(
        &self,
        rows: impl Iterator<Item = &'a RowTargets>,
        known: &[String],
        place: impl Fn(usize) -> String,
    ) -> Result<Option<LabelTable>> {
        let told = rows.map(|row| row.labels.clone());
        Ok(Some(match &self.labels {
            None => return Ok(None),
            Some(LabelColumns::Flags(columns)) => {
                let names = columns.iter().map(|(_, name)| name.clone()).collect();
                let flags = told.map(|labels| match labels {
                    Some(RowLabels::Flags(flags)) => flags,
                    _ => vec![None; columns.len()],
                });
                LabelTable::of_flags(names, flags)
            }
            Some(LabelColumns::List(..)) => {
                let lists: Vec<Option<Vec<String>>> = told
                    .map(|labels| match labels {
                        Some(RowLabels::Names(names)) => Some(names),
                        _ => None,
                    })
                    .collect();
                LabelTable::of_names(&lists, known, place)?
            }
        }))
    }

    /// The numbers of all rows, if the keys name any.
    pub(super) fn value_table<'a>(&self, rows: impl Iterator<Item = &'a RowTargets>) -> Option<ValueTable> {
        let names: Vec<String> = self.values.iter().map(|(_, name)| name.clone()).collect();
        (!names.is_empty()).then(|| ValueTable::new(names, rows.map(|row| row.values.clone())))
    }
}

fn is_missing(field: &str) -> bool {
    MISSING.iter().any(|missing| field.eq_ignore_ascii_case(missing))
}

/// 1 or 0, also as 1.0, true or false; empty or -1 is unknown (CheXpert's -1 is `uncertain`).
fn flag(field: &str, column: &str) -> Result<Option<bool>> {
    if is_missing(field) {
        return Ok(None);
    }
    match field.parse::<f64>().ok() {
        Some(1.0) => return Ok(Some(true)),
        Some(0.0) => return Ok(Some(false)),
        Some(-1.0) => return Ok(None),
        _ => {}
    }
    field.to_ascii_lowercase().parse::<bool>().map(Some).map_err(|_| {
        Error::user(format!("`{}` in the column `{column}` is neither 1 nor 0", shown(field)))
            .help("write 1 for an image that has the label, 0 for one that hasn't, and nothing or -1 where it isn't known")
    })
}

/// A finite number that f32 has room for, or none where it is missing.
fn value(field: &str, column: &str) -> Result<Option<f32>> {
    if is_missing(field) {
        return Ok(None);
    }
    let number = field.parse::<f32>().ok().filter(|number| number.is_finite());
    number.map(Some).ok_or_else(|| {
        Error::user(format!("`{}` in the column `{column}` is no number", shown(field)))
            .help("write numbers with a point, and nothing where one is missing")
    })
}

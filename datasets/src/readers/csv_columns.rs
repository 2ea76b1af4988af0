//! Which column of a list is what.

use std::path::Path;

use csv::StringRecord;
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use super::csv_list::CsvKeys;
use super::csv_targets::TargetColumns;
use crate::formats::shown::shown;
use crate::formats::tally::Tally;
use crate::part_names::PartKind;

/// What a column of paths is called, the likeliest first.
const PATHS: [&str; 16] = [
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_file",
    "image_name",
    "imagepath",
    "filepaths",
    "img",
    "img_path",
    "image_id",
    "id",
];
/// What a column of labels is called, the likeliest first.
const LABELS: [&str; 11] = [
    "label",
    "labels",
    "class",
    "class_name",
    "classname",
    "target",
    "category",
    "category_name",
    "class_id",
    "species",
    "y",
];

/// What separates the columns of a list whose header is the first line.
///
/// # Errors
/// A separator that is no single character of ASCII.
pub(super) fn separator_of(bytes: &[u8], told: &str) -> Result<u8> {
    match told.as_bytes() {
        [] => {}
        [one] => return Ok(*one),
        b"\\t" | b"tab" => return Ok(b'\t'),
        _ => {
            return Err(Error::user(format!("`{told}` is no separator"))
                .at("`data.reader.separator`")
                .help("give one character, or tab"));
        }
    }
    let (mut quoted, mut counts) = (false, [0usize; 4]);
    const ALL: [u8; 4] = *b",;\t|";
    for &byte in bytes.iter().take_while(|byte| !b"\r\n".contains(byte)) {
        quoted ^= byte == b'"';
        if let Some(which) = ALL.iter().position(|separator| *separator == byte && !quoted) {
            counts[which] += 1;
        }
    }
    // The first of equals: a comma where there is none of them.
    let most = counts.iter().copied().max().unwrap_or(0);
    Ok(counts.iter().position(|count| *count == most).map_or(b',', |which| ALL[which]))
}

/// The columns that count.
pub(super) struct Columns {
    pub(super) path: usize,
    label: Option<usize>,
    /// Those of label sets and numbers, which are no classes.
    pub(super) targets: TargetColumns,
}

/// Where the labels are.
pub(super) enum Labels {
    None,
    Column(usize),
    /// The columns with a share of each class, and their names.
    Shares(Vec<(usize, String)>),
}

impl Columns {
    /// By the header, and what the reader was told.
    ///
    /// # Errors
    /// No column of paths, or none of a name that was told; as [`TargetColumns::of`].
    pub(super) fn of(header: &StringRecord, keys: &CsvKeys) -> Result<Self> {
        let CsvKeys { path_column: path, label_column: label, .. } = keys;
        let names: Vec<&str> = header.iter().map(str::trim).collect();
        let told = |name: &str, key: &str| {
            names.iter().position(|own| *own == name).ok_or_else(|| {
                unknown_name("column", name, names.iter().copied()).at(format_args!("`data.reader.{key}`"))
            })
        };
        let usual = |usual: &[&str]| {
            usual.iter().find_map(|name| names.iter().position(|own| own.eq_ignore_ascii_case(name)))
        };
        let path = match path.as_str() {
            "" => usual(&PATHS).ok_or_else(|| {
                Error::user(format!("no column of paths in the header `{}`", shown(&names.join(","))))
                    .help("call it `path`, or set data.reader.path_column")
            })?,
            path => told(path, "path_column")?,
        };
        let targets = TargetColumns::of(header, keys, path)?;
        let label = match label.as_str() {
            "" => usual(&LABELS).filter(|label| *label != path && !targets.has(*label)),
            label => Some(told(label, "label_column")?),
        };
        Ok(Self { path, label, targets })
    }

    /// Where the labels of these rows are: without a column of them, columns with a share each, which are at least
    /// two and make 1 in every row that has them.
    pub(super) fn labels<'a>(
        &self,
        header: &StringRecord,
        rows: impl Iterator<Item = &'a StringRecord> + Clone,
    ) -> Labels {
        if let Some(label) = self.label {
            return Labels::Column(label);
        }
        let columns: Vec<(usize, String)> = (header.iter().map(str::trim).enumerate())
            .filter(|(column, name)| *column != self.path && !self.targets.has(*column) && !name.is_empty())
            .map(|(column, name)| (column, name.to_owned()))
            .collect();
        let sound = |row: &StringRecord| match shares(row, &columns) {
            Some(shares) => {
                let sum: f64 = shares.iter().sum();
                shares.iter().all(|share| (0.0..=1.01).contains(share)) && (sum - 1.0).abs() <= 0.01
            }
            None => {
                columns.iter().all(|(column, _)| row.get(*column).is_none_or(|field| field.trim().is_empty()))
            }
        };
        let any = rows.clone().any(|row| shares(row, &columns).is_some());
        if columns.len() < 2 || !any || !rows.into_iter().all(sound) {
            return Labels::None;
        }
        Labels::Shares(columns)
    }
}

/// The numbers of a row in these columns, if all are numbers.
fn shares(row: &StringRecord, columns: &[(usize, String)]) -> Option<Vec<f64>> {
    columns.iter().map(|(column, _)| row.get(*column)?.trim().parse::<f64>().ok()).collect()
}

impl Labels {
    /// The label of a row.
    pub(super) fn of(&self, row: &StringRecord, tally: &mut Tally) -> Option<String> {
        match self {
            Self::None => None,
            Self::Column(column) => {
                row.get(*column).map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned)
            }
            Self::Shares(columns) => {
                let shares = shares(row, columns)?;
                let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                if shares.iter().filter(|share| **share == most).count() > 1 {
                    tally.add(
                        "rows have several classes with the greatest share, of which the first is taken",
                    );
                }
                let at = shares.iter().position(|share| *share == most)?;
                Some(columns[at].1.clone())
            }
        }
    }

    /// What is to be said of them.
    pub(super) fn note(&self) -> Option<String> {
        let Self::Shares(columns) = self else { return None };
        let names: Vec<&str> = columns.iter().take(10).map(|(_, name)| &**name).collect();
        let more =
            if columns.len() > 10 { format!(" and {} more", columns.len() - 10) } else { String::new() };
        Some(format!("the class is the column with the greatest share: {}{more}", names.join(", ")))
    }
}

/// The part of each row by a column of that name; none where it tells something else. A row that tells none where others do
/// would put test images among those that are trained on.
pub(super) fn parts_of(
    list: &Path,
    name: &str,
    column: usize,
    records: &[(StringRecord, u64)],
) -> Result<Option<Vec<PartKind>>> {
    let told = |record: &StringRecord| record.get(column).unwrap_or_default().trim().to_owned();
    let parts: Vec<Option<PartKind>> =
        records.iter().map(|(record, _)| PartKind::of_name(&told(record))).collect();
    if parts.iter().all(Option::is_none) {
        return Ok(None);
    }
    if let Some(row) = parts.iter().position(Option::is_none) {
        let (record, line) = &records[row];
        return Err(Error::user(format!(
            "`{}` is no part, in the column `{}`",
            shown(&told(record)),
            shown(name)
        ))
        .at(format_args!("{}:{line}", list.display()))
        .help("write train, val or test in every row, or rename the column where it is no split"));
    }
    Ok(parts.into_iter().collect())
}

//! A list of images as comma-separated values (RFC 4180), or with semicolons or tabs.
//!
//! The header names the columns: one has the paths, another the class's name; others are ignored. Relative paths
//! are relative to the list's folder. An empty label means none. Without a column of labels, columns that have a
//! share of each class (1 and 0, or probabilities) give the class with the greatest one. Columns that the reader's keys
//! name give each image a set of labels, or numbers.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result, stored};
use palimpsest_targets::{LabelSetData, ValueData};

use super::csv_columns::{Columns, Labels, parts_of, separator_of};
use super::csv_targets::RowTargets;
use crate::decode::{DecodeOptions, EXTENSIONS, decode_file, is_image};
use crate::formats::image_files::{folder_of, stem};
use crate::formats::shown::shown;
use crate::formats::tally::Tally;
use crate::formats::target_table::{LabelTable, ValueTable, WithLabels, WithValues};
use crate::part_names::{NamedParts, PartKind};
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, Subset, held_out};

palimpsest_core::settings! {
    /// `[data.reader]` of `csv`.
    pub struct CsvKeys {
        /// The names of the classes, in the order of the labels; [] for those that occur.
        classes: Vec<String> = Vec::new();
        /// The column of the images' paths; "" for path, file, filename, image and the like.
        path_column: String = String::new();
        /// The column of the classes' names; "" for label, class, target and the like.
        label_column: String = String::new();
        /// Columns of 1 and 0, one for each label of a set; empty or -1 is unknown.
        label_columns: Vec<String> = Vec::new();
        /// A column with the names of all labels that an image has; empty for an image that has none.
        label_list_column: String = String::new();
        /// What separates the labels of such a list.
        label_list_separator: String = "|".to_owned();
        /// The names of the labels of such lists, in their order; [] for those that occur.
        labels: Vec<String> = Vec::new();
        /// Columns of numbers; an empty one is missing.
        value_columns: Vec<String> = Vec::new();
        /// What separates columns; "" for what the header has: a comma, a semicolon, a tab or a bar.
        separator: String = String::new();
        /// Images with more pixels are refused.
        max_pixels: u64 = 100_000_000, in 1u64..=1_000_000_000_000;
    }
}

struct Row {
    path: String,
    label: Option<u32>,
}

/// The images of a list, in its order.
pub struct CsvList {
    folder: PathBuf,
    rows: Vec<Row>,
    classes: Vec<String>,
    options: DecodeOptions,
    notes: Vec<String>,
    /// The part of each row, where a column tells it.
    parts: Vec<PartKind>,
    /// The label set of each row, where the keys name columns of them.
    labels: Option<LabelTable>,
    /// The numbers of each row, where the keys name columns of them.
    values: Option<ValueTable>,
}

/// What columns are called that tell the part of each row.
const PARTS: [&str; 5] = ["split", "subset", "partition", "set", "phase"];

/// A line as it was read.
struct Found {
    path: String,
    label: Option<String>,
    targets: RowTargets,
    line: u64,
}

/// What the images of a list are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Class,
    LabelSet,
    Values,
}

/// A part of a list, or of several lists.
struct Part {
    data: CsvList,
    /// The rows of the part; none for all.
    rows: Option<Vec<u32>>,
    notes: Vec<String>,
    name: String,
}

impl CsvList {
    /// Opens a list. Without classes, they are the labels that occur, sorted (by value if all are numbers), or the
    /// columns with shares; with classes, every label must be one of them.
    ///
    /// # Errors
    /// A list that can't be read, a wrong header, a row that is short, a file that is missing, a label that is not
    /// among the classes, two labels for one image: the error names the line.
    pub fn open(list: &Path, keys: &CsvKeys, known: &[String], options: DecodeOptions) -> Result<Self> {
        let bytes = stored::read(list)?;
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let folders = folders_of(list);
        let mut tally = Tally::default();
        let separator = separator_of(bytes, &keys.separator)?;
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(bytes);
        let header = reader.headers().map_err(|e| broken(list, bytes, &e))?.clone();
        let first_line = |e: Error| e.at(format_args!("{}:1", list.display()));
        let columns = Columns::of(&header, keys).map_err(first_line)?;
        let mut records = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| broken(list, bytes, &e))?;
            let line = record.position().map_or(0, |at| line_of(at, bytes));
            records.push((record, line));
        }
        if records.is_empty() {
            return Err(Error::user("the list has no rows")
                .at(list.display())
                .help("add a line for each image"));
        }
        let told =
            header.iter().position(|name| PARTS.iter().any(|own| name.trim().eq_ignore_ascii_case(own)));
        let parts =
            told.map(|column| parts_of(list, &header[column], column, &records)).transpose()?.flatten();
        let labels = columns.labels(&header, records.iter().map(|(record, _)| record));
        let mut found: Vec<Found> = Vec::with_capacity(records.len());
        for (record, line) in &records {
            let at = |e: Error| e.at(format_args!("{}:{line}", list.display()));
            let told = record.get(columns.path).unwrap_or_default().trim();
            if told.is_empty() {
                return Err(at(Error::user("the path is empty").help("name an image, or remove the line")));
            }
            let path = file_of(told, &folders).ok_or_else(|| {
                at(Error::user(format!("no such file `{}`", shown(told)))
                    .help("paths are relative to the folder of the list"))
            })?;
            let label = labels.of(record, &mut tally);
            let targets = columns.targets.of_row(record).map_err(at)?;
            found.push(Found { path, label, targets, line: *line });
        }
        contradictions(list, &found, &mut tally)?;
        tally.add_many(
            "rows have no label",
            match &labels {
                Labels::None => 0,
                _ => found.iter().filter(|row| row.label.is_none()).count(),
            },
        );
        let classes = match (known, &labels) {
            ([], Labels::Shares(columns)) => columns.iter().map(|(_, name)| name.clone()).collect(),
            ([], _) => sorted_classes(found.iter().filter_map(|row| row.label.as_deref())),
            (known, _) => known.to_vec(),
        };
        let by_name: HashMap<&str, u32> =
            classes.iter().enumerate().map(|(i, name)| (name.as_str(), i as u32)).collect();
        let place = |row: usize| format!("{}:{}", list.display(), found[row].line);
        let told = || found.iter().map(|row| &row.targets);
        let label_sets = columns.targets.label_table(told(), &keys.labels, place)?;
        let values = columns.targets.value_table(told());
        let rows = found
            .into_iter()
            .map(|Found { path, label, line, .. }| {
                let label = label
                    .map(|name| {
                        by_name.get(name.as_str()).copied().ok_or_else(|| {
                            unknown_name("class", &shown(&name), classes.iter().map(String::as_str))
                                .at(format_args!("{}:{line}", list.display()))
                        })
                    })
                    .transpose()?;
                Ok(Row { path, label })
            })
            .collect::<Result<_>>()?;
        let mut notes = tally.notes(&stem(list));
        notes.extend(labels.note().map(|note| format!("{}: {note}", stem(list))));
        let parts = parts.unwrap_or_default();
        let folder = folder_of(list).to_owned();
        Ok(Self { folder, rows, classes, options, notes, parts, labels: label_sets, values })
    }

    /// The rows of a part, and what it is called, where a column tells the parts and there are both: of the parts that
    /// may be measured the first with a label.
    fn rows_of(&self, split: Split, wanted: Wanted) -> Option<(Vec<u32>, &'static str)> {
        let rows = |kind: PartKind| -> Vec<u32> {
            let all = self.parts.iter().zip(0..);
            all.filter(|(own, _)| **own == kind).map(|(_, row)| row).collect()
        };
        let tests = [
            (PartKind::Test, "rows of the test part"),
            (PartKind::Validation, "rows of the validation part"),
        ];
        let labelled = |rows: &[u32]| rows.iter().any(|&row| self.knows(row as usize, wanted));
        let mut measured: Vec<_> = tests.map(|(kind, name)| (rows(kind), name)).to_vec();
        measured.retain(|(rows, _)| !rows.is_empty());
        let train = rows(PartKind::Train);
        if train.is_empty() || measured.is_empty() {
            return None;
        }
        match split {
            Split::Train => Some((train, "rows of the training part")),
            Split::Test => {
                let first = measured.iter().position(|(rows, _)| labelled(rows)).unwrap_or(0);
                Some(measured.swap_remove(first))
            }
        }
    }

    /// Whether a row tells what is wanted. An image that has no label at all may be one whose labels are withheld.
    fn knows(&self, row: usize, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Class => self.rows[row].label.is_some(),
            Wanted::LabelSet => {
                let table = self.labels.as_ref();
                table.is_some_and(|table| table.sets()[row].iter().any(|has| has == Some(true)))
            }
            Wanted::Values => self.values.as_ref().is_some_and(|table| table.values()[row].is_known()),
        }
    }

    /// The path of a sample as the list has it: its key for a held-out part.
    pub fn key(&self, index: usize) -> String {
        self.rows[index].path.replace('\\', "/")
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}

/// Where images may be, relative to the list's folder: there, or in a folder called as usual or as the list.
fn folders_of(list: &Path) -> Vec<(PathBuf, String)> {
    let own = folder_of(list);
    let name = stem(list);
    let mut folders = vec![(own.to_owned(), String::new())];
    for below in ["images", "imgs", &name] {
        folders.push((own.join(below), format!("{below}/")));
    }
    folders.retain(|(folder, _)| folder.is_dir());
    folders
}

/// The path, below the list's folder, of the image that a row tells, whose name may lack the ending.
fn file_of(told: &str, folders: &[(PathBuf, String)]) -> Option<String> {
    let exists = |name: &str| {
        let place = folders.iter().find(|(folder, _)| folder.join(name).is_file())?;
        Some(format!("{}{name}", place.1))
    };
    exists(told).or_else(|| told.contains('\\').then(|| exists(&told.replace('\\', "/"))).flatten()).or_else(
        || {
            let endings = (!is_image(Path::new(told))).then_some(EXTENSIONS)?;
            endings.iter().find_map(|ending| exists(&format!("{told}.{ending}")))
        },
    )
}

/// Refuses an image with two labels, and counts those that are listed again.
fn contradictions(list: &Path, found: &[Found], tally: &mut Tally) -> Result<()> {
    let mut first: HashMap<&str, &Found> = HashMap::with_capacity(found.len());
    for row in found {
        let before = *first.entry(&row.path).or_insert(row);
        if before.line == row.line {
            continue;
        }
        if before.targets != row.targets {
            return Err(Error::user(format!(
                "`{}` has other labels or numbers than on line {}",
                shown(&row.path),
                before.line
            ))
            .at(format_args!("{}:{}", list.display(), row.line))
            .help("list each image once"));
        }
        if before.label != row.label {
            let told = |row: &Found| shown(row.label.as_deref().unwrap_or("no label"));
            return Err(Error::user(format!(
                "`{}` has the label `{}`, and on line {} `{}`",
                shown(&row.path),
                told(row),
                before.line,
                told(before)
            ))
            .at(format_args!("{}:{}", list.display(), row.line))
            .help("give each image one label"));
        }
        tally.add("rows repeat an image that is listed above");
    }
    Ok(())
}

/// The line of a record. The reader's position is before the empty lines that it skips.
fn line_of(at: &csv::Position, bytes: &[u8]) -> u64 {
    let from = bytes.get(at.byte() as usize..).unwrap_or_default();
    let skipped = from.iter().take_while(|b| b"\r\n".contains(b)).filter(|b| **b == b'\n').count();
    at.line() + skipped as u64
}

fn broken(list: &Path, bytes: &[u8], error: &csv::Error) -> Error {
    let line = error.position().map_or(1, |at| line_of(at, bytes));
    match error.kind() {
        csv::ErrorKind::Io(io) => Error::io(list, io),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::user(format!("{len} fields where the header has {expected_len}"))
                .at(format_args!("{}:{line}", list.display()))
                .help("put a field with a comma in double quotes")
        }
        csv::ErrorKind::Utf8 { .. } => Error::user("the line is not UTF-8")
            .at(format_args!("{}:{line}", list.display()))
            .help("save the list as UTF-8"),
        _ => Error::user(error.to_string())
            .at(format_args!("{}:{line}", list.display()))
            .help("write the list as comma-separated values (RFC 4180)"),
    }
}

fn sorted_classes<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<&str> = labels.collect::<BTreeSet<_>>().into_iter().collect();
    let number = |name: &str| name.parse::<f64>().ok().filter(|number| number.is_finite());
    if names.iter().all(|name| number(name).is_some()) {
        names.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    }
    names.into_iter().map(str::to_owned).collect()
}

impl Dataset for CsvList {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.rows[index].label
    }
    fn load(&self, index: usize) -> Result<Image> {
        decode_file(&self.folder.join(&self.rows[index].path), self.options)
    }
    fn location(&self, index: usize) -> String {
        self.folder.join(&self.rows[index].path).display().to_string()
    }
    fn name(&self, index: usize) -> Option<String> {
        Some(self.key(index))
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        Some(Encoded::File(self.folder.join(&self.rows[index].path)))
    }
}

/// `csv`
pub struct Csv;

impl Csv {
    /// A part of the list, or of the lists in a folder.
    fn part(keys: &CsvKeys, spec: &DataSpec, split: Split, wanted: Wanted) -> Result<Part> {
        let (path, options) = (spec.path()?, spec.decode(keys.max_pixels));
        let list = |path: &Path, known: &[String]| CsvList::open(path, keys, known, options);
        let whole = |path: &Path| {
            let mut data = list(path, &keys.classes)?;
            let notes = data.take_notes();
            if let Some((rows, part)) = data.rows_of(split, wanted) {
                return Ok(Part { data, rows: Some(rows), notes, name: part.to_owned() });
            }
            let rows = (0..data.len() as u32).collect();
            let held = held_out(rows, spec, split, |&row| data.key(row as usize))?;
            let notes = held.note.into_iter().chain(notes).collect();
            let rows = held.part.is_some().then_some(held.items);
            Ok(Part { data, rows, notes, name: held.part.unwrap_or_default() })
        };
        if !path.is_dir() {
            return whole(path);
        }
        let named =
            [".csv", ".tsv"].map(|ending| NamedParts::files(path, "", ending).map(|parts| (parts, ending)));
        let mut parts = None;
        for named in named {
            let (names, ending) = named?;
            if parts.is_none() && !names.is_empty() {
                parts = Some((names, ending));
            }
        }
        let of_all = |split| -> Vec<(PathBuf, String)> {
            let Some((names, ending)) = &parts else { return vec![] };
            let of_name = |part: &str| (path.join(format!("{part}{ending}")), part.to_owned());
            names.candidates(split).map(of_name).collect()
        };
        let of = |split| of_all(split).into_iter().next();
        let (train_list, part) = of(Split::Train).ok_or_else(|| {
            Error::user("no `train.csv` in the folder")
                .at(path.display())
                .help("write it, or give the list itself")
        })?;
        let (mut data, name) = match (split, of(Split::Test)) {
            (_, None) => return whole(&train_list),
            (Split::Train, Some(_)) => (list(&train_list, &keys.classes)?, part),
            (Split::Test, Some((test_list, part))) => {
                // The test part's labels mean the training part's classes.
                let train = list(&train_list, &keys.classes)?;
                // But of a choice of classes, one that is unknown there may be among those that aren't chosen.
                let known = if spec.classes.is_empty() { train.classes() } else { &keys.classes };
                let labels = train.labels.as_ref().map_or(&keys.labels[..], LabelTable::names).to_vec();
                let keys = CsvKeys { labels, ..keys.clone() };
                let list = |path: &Path| CsvList::open(path, &keys, known, options);
                let test = list(&test_list)?;
                let labelled = |list: &CsvList| (0..list.len()).any(|row| list.knows(row, wanted));
                // As where labels are withheld: then validation is the test part.
                let other = match labelled(&test) || !labelled(&train) {
                    true => None,
                    false => of_all(Split::Test)
                        .into_iter()
                        .skip(1)
                        .find_map(|(path, part)| list(&path).ok().filter(labelled).map(|list| (list, part))),
                };
                other.unwrap_or((test, part))
            }
        };
        let notes = data.take_notes();
        Ok(Part { data, rows: None, notes, name })
    }
}

impl Reader for Csv {
    type Settings = CsvKeys;

    fn open(keys: &CsvKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        let Part { data, rows, notes, name } = Self::part(keys, spec, split, Wanted::Class)?;
        Ok(Opened::new(of_rows(data, rows)).notes(notes).part(name))
    }
}

impl Reader<dyn LabelSetData> for Csv {
    type Settings = CsvKeys;

    fn open(keys: &CsvKeys, spec: &DataSpec, split: Split) -> Result<Opened<dyn LabelSetData>> {
        let Part { mut data, rows, notes, name } = Self::part(keys, spec, split, Wanted::LabelSet)?;
        let table = data.labels.take().ok_or_else(|| {
            Error::user("no columns of labels are named").at("`data.reader.label_columns`").help(
                "name those of 1 and 0, as [\"cat\", \"dog\"], or the one of lists in label_list_column",
            )
        })?;
        let table = rows.as_ref().map(|rows| table.of_rows(rows)).unwrap_or(table);
        let data: Arc<dyn LabelSetData> = Arc::new(WithLabels::new(of_rows(data, rows), table));
        Ok(Opened::new(data).notes(notes).part(name))
    }
}

impl Reader<dyn ValueData> for Csv {
    type Settings = CsvKeys;

    fn open(keys: &CsvKeys, spec: &DataSpec, split: Split) -> Result<Opened<dyn ValueData>> {
        let Part { mut data, rows, notes, name } = Self::part(keys, spec, split, Wanted::Values)?;
        let table = data.values.take().ok_or_else(|| {
            Error::user("no columns of numbers are named")
                .at("`data.reader.value_columns`")
                .help("name them, as [\"age\", \"weight\"]")
        })?;
        let table = rows.as_ref().map(|rows| table.of_rows(rows)).unwrap_or(table);
        let data: Arc<dyn ValueData> = Arc::new(WithValues::new(of_rows(data, rows), table));
        Ok(Opened::new(data).notes(notes).part(name))
    }
}

/// The images of some rows, or of all.
fn of_rows(data: CsvList, rows: Option<Vec<u32>>) -> Arc<dyn Dataset> {
    let data: Arc<dyn Dataset> = Arc::new(data);
    match rows {
        Some(rows) => Arc::new(Subset::new(data, rows)),
        None => data,
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Csv>(
        "csv",
        "a list of image files, with or without labels, sets of labels or numbers",
        "a .csv whose header names a column of paths and one of labels, or columns of shares; or a folder with train.csv and test.csv",
    )
    .with_label_sets::<Csv>()
    .with_values::<Csv>()
}

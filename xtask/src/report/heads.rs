//! What heads that were fitted on a run reached: the figures and tables that `eval` left in its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use palimpsest_core::stored::read;
use serde_json::Value;

use super::html::{details, esc, note, section, table};
use super::load::Run;
use super::number::{UNKNOWN, short};

/// The means of a figure over the seeds: of the trained encoder and of the random one.
type Figures = BTreeMap<String, [Vec<f64>; 2]>;

/// A section with a table for each head and data set; nothing where none was fitted.
pub(super) fn of_run(run: &Run) -> Option<String> {
    let heads: Vec<String> =
        folders(&Path::new(&run.folder).join("eval")).iter().filter_map(|path| of_head(path)).collect();
    let told = note(
        "Means over the seeds that the run's folder has scores of, on the test part. Tables are of the trained encoder's \
         first seed.",
    );
    (!heads.is_empty()).then(|| section("Fitted heads", &format!("{}{told}", heads.concat())))
}

/// The folders in a folder, sorted.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A head on a data set: its figures, and the tables of its metric.
fn of_head(folder: &Path) -> Option<String> {
    let mut figures = Figures::new();
    let mut tables = String::new();
    for seed in folders(folder) {
        let side = usize::from(!name(&seed).starts_with("pretrained-"));
        let Some(scores) = scores(&seed) else { continue };
        if side == 0 && tables.is_empty() {
            tables = tables_of(&seed);
        }
        for (figure, value) in scores {
            figures.entry(figure).or_default()[side].push(value);
        }
    }
    let mean = |values: &[f64]| match values.len() {
        0 => UNKNOWN.to_owned(),
        count => short(values.iter().sum::<f64>() / count as f64, 4),
    };
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|(figure, sides)| [esc(figure)].into_iter().chain(sides.iter().map(|side| mean(side))).collect())
        .collect();
    let titles = ["Figure", "Pre-trained", "Random initialisation"].map(str::to_owned);
    let heading = format!("<h3>{}</h3>\n", esc(name(folder)));
    (!rows.is_empty()).then(|| format!("{heading}{}{tables}", table("plain", &titles, &rows)))
}

fn scores(seed: &Path) -> Option<Vec<(String, f64)>> {
    let saved: Value = serde_json::from_slice(&read(&seed.join("scores.json")).ok()?).ok()?;
    let figures = saved["scores"].as_object()?.iter();
    Some(figures.filter_map(|(figure, value)| Some((figure.clone(), value.as_f64()?))).collect())
}

/// Every table of comma-separated values in a folder, closed at first.
fn tables_of(seed: &Path) -> String {
    let entries = std::fs::read_dir(seed).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "csv"));
    files.sort();
    let of_file = |path: &PathBuf| {
        let bytes = read(path).ok()?;
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let cells = |record: &csv::StringRecord| record.iter().map(esc).collect::<Vec<_>>();
        let titles = cells(reader.headers().ok()?);
        let rows: Vec<Vec<String>> = reader.records().map_while(Result::ok).map(|row| cells(&row)).collect();
        Some(details(&name(path), &table("plain", &titles, &rows)))
    };
    files.iter().filter_map(of_file).collect()
}

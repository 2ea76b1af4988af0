//! Tables that a metric leaves beside its scores.

use palimpsest_core::head::Artifact;

/// A table as comma-separated values (RFC 4180), the titles in its first line; empty if it can't be written, which memory
/// always can.
pub(crate) fn table(name: &str, titles: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Artifact {
    let mut writer = csv::Writer::from_writer(vec![]);
    let written = writer
        .write_record(titles)
        .and_then(|()| rows.into_iter().try_for_each(|row| writer.write_record(row)));
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    Artifact { name: name.to_owned(), bytes }
}

/// A figure; nothing where there is none.
pub(crate) fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.6}"))
}

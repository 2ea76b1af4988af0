//! The classes of the rows of files.

use std::path::PathBuf;

use palimpsest_core::error::listed;
use palimpsest_core::{Error, Result};
use palimpsest_parquet::{ImageFile, LabelKind, Labels, UNLABELLED};
use rayon::prelude::*;

use super::{LABEL, ParquetKeys};
use crate::formats::shards::class_names::classes_of;

/// Classes, and the class of each row of each file.
pub(super) struct Classes {
    pub(super) names: Vec<String>,
    /// Empty for files without labels.
    pub(super) rows: Vec<Vec<u32>>,
    pub(super) note: Option<String>,
}

impl Classes {
    /// None, of so many files.
    pub(super) fn none(files: usize) -> Self {
        Self { names: Vec::new(), rows: vec![Vec::new(); files], note: None }
    }

    /// # Errors
    /// No such column, files whose labels don't go together, labels that are none of the classes.
    pub(super) fn read(files: &[PathBuf], opened: &[ImageFile], keys: &ParquetKeys) -> Result<Self> {
        let column = keys.label.as_str();
        let columns = opened[0].columns();
        let there = columns.iter().any(|own| own == column) || column.contains('.');
        if column.is_empty() || (!there && column == LABEL) {
            let note = format!(
                "there is no column `{LABEL}`, so there are no classes; the columns are {}: data.reader.label=NAME",
                listed(&columns)
            );
            return Ok(Self { note: (!column.is_empty()).then_some(note), ..Self::none(files.len()) });
        }
        let labels: Vec<Labels> = opened.par_iter().map(|file| file.labels(column)).collect::<Result<_>>()?;
        let told = opened[0].class_names(column);
        if let Some(other) = opened.iter().position(|file| file.class_names(column) != told) {
            return Err(Error::user(format!(
                "the classes of `{column}` are others than those of {}",
                files[0].display()
            ))
            .at(files[other].display())
            .help("open one set at a time: give the folder of one configuration"));
        }
        check_kinds(files, &labels, column)?;
        let Some(told) = told else {
            let texts = labels.iter().flat_map(|labels| labels.texts.iter().map(String::as_str));
            let (classes, label_of) = classes_of(texts, &keys.classes)?;
            let of_texts = |labels: &Labels| {
                let own: Vec<u32> = labels.texts.iter().map(|text| label_of[text.as_str()]).collect();
                by_row(labels, &own)
            };
            let names = if label_of.is_empty() { Vec::new() } else { classes };
            return Ok(Self { names, rows: labels.iter().map(of_texts).collect(), note: None });
        };
        let classes = if keys.classes.is_empty() { told } else { keys.classes.clone() };
        let numbered = files
            .iter()
            .zip(&labels)
            .map(|(path, labels)| numbered(labels, column, classes.len()).map_err(|e| e.at(path.display())));
        let rows: Vec<Vec<u32>> = numbered.collect::<Result<_>>()?;
        // As the test parts of challenges have it: -1 alone.
        let any = rows.iter().flatten().any(|&label| label != UNLABELLED);
        Ok(Self { names: if any { classes } else { Vec::new() }, rows, note: None })
    }
}

/// Numbers in one file and texts in another would be classes beside one another: `3` and `cat`.
fn check_kinds(files: &[PathBuf], labels: &[Labels], column: &str) -> Result<()> {
    let of = |kind: LabelKind| {
        labels.iter().position(|labels| labels.kind == Some(kind) && !labels.texts.is_empty())
    };
    match (of(LabelKind::Texts), of(LabelKind::Numbers)) {
        (Some(texts), Some(numbers)) => Err(Error::user(format!(
            "the labels of `{column}` are texts here, and numbers in {}",
            files[numbers].display()
        ))
        .at(files[texts].display())
        .help("write them alike in all files, or give the files of one set alone")),
        _ => Ok(()),
    }
}

/// Labels that are numbers of named classes; -1 is none.
fn numbered(labels: &Labels, column: &str, classes: usize) -> Result<Vec<u32>> {
    let number = |text: &String| match text.parse::<i64>() {
        Ok(-1) => Ok(UNLABELLED),
        Ok(number) if usize::try_from(number).is_ok_and(|number| number < classes) => Ok(number as u32),
        _ => Err(Error::user(format!("`{column}` has {text}, and there are {classes} classes"))
            .help("labels are numbers of the classes, from 0; -1 is none")),
    };
    let own: Vec<u32> = labels.texts.iter().map(number).collect::<Result<_>>()?;
    Ok(by_row(labels, &own))
}

/// The label of each row, by that of each text.
fn by_row(labels: &Labels, own: &[u32]) -> Vec<u32> {
    labels.rows.iter().map(|&row| own.get(row as usize).copied().unwrap_or(UNLABELLED)).collect()
}

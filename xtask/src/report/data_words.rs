//! What was found of data, in words for the terminal and the page.

use palimpsest_core::error::listed;
use palimpsest_core::head::counted;
use palimpsest_datasets::survey::{PartSurvey, Spread, StoredValues, Survey};

/// What makes scores wrong, first of all.
pub(crate) fn alarms(survey: &Survey) -> Vec<String> {
    let duplicates = &survey.duplicates;
    let mut all = vec![];
    if duplicates.leaked > 0 {
        let images =
            counted(duplicates.leaked, "test image is a training image", "test images are training images");
        all.push(format!("LEAKAGE: {images} too, equal in every pixel"));
    }
    if duplicates.contradictions > 0 {
        let groups =
            counted(duplicates.contradictions, "group of equal images has", "groups of equal images have");
        all.push(format!("CONTRADICTION: {groups} different classes"));
    }
    if duplicates.repeated > 0 {
        let images = counted(duplicates.repeated, "image repeats", "images repeat");
        all.push(format!("{images} an earlier one of the same part"));
    }
    for part in survey.parts.iter().filter(|part| part.stored.len() > 1) {
        let stored: Vec<String> = part
            .stored
            .iter()
            .map(|(stored, files)| format!("{} {stored}", counted(*files, "file is", "files are")))
            .collect();
        all.push(format!(
            "{}: {}: each is scaled by the range of its own type, unless data.range or data.percentiles is given",
            part.part,
            stored.join(", ")
        ));
    }
    for part in survey.parts.iter().filter(|part| !part.broken.is_empty()) {
        let images = counted(part.broken.len(), "image", "images");
        all.push(format!("{}: {images} can't be read", part.part));
    }
    all
}

/// `28`, or the least, the median and the largest.
pub(crate) fn spread(spread: Spread, digits: usize) -> String {
    let Spread { least, median, most } = spread;
    // A median may lie between two whole numbers.
    let number = |value: f64| match digits {
        0 if value.fract() != 0.0 => format!("{value:.1}"),
        _ => format!("{value:.digits$}"),
    };
    if least == most { number(least) } else { [least, median, most].map(number).join("…") }
}

/// The least and the greatest number of files, as `data.range` takes them.
pub(crate) fn values(values: StoredValues) -> String {
    // Shortest digits that are the 32-bit float.
    [values.least, values.most].map(|value| (value as f32).to_string()).join("…")
}

/// How even the classes are.
pub(crate) fn classes(part: &PartSurvey) -> String {
    if part.classes.is_empty() {
        return "no classes".to_owned();
    }
    let counts = || part.classes.iter().map(|class| class.images);
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    let each =
        if least == most { format!("{least} images each") } else { format!("{least} to {most} images each") };
    let mut told = format!("{}, {each}", counted(part.classes.len(), "class", "classes"));
    let empty = part.empty_classes();
    if !empty.is_empty() {
        told += &format!("; no image of {}", listed(&empty));
    }
    if part.unlabelled > 0 {
        told += &format!("; {} without a class", counted(part.unlabelled, "image", "images"));
    }
    told
}

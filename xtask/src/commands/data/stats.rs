//! `data stats`: what a recipe's images are like, and what the recipe should say of them.

use palimpsest_core::data::Split;
use palimpsest_core::{Error, Result};
use palimpsest_datasets::survey::{
    Channel, Duplicate, PartSurvey, Sizes, Spread, Survey, SurveyOptions, Twin, survey,
};
use palimpsest_datasets::{DataSource, DataSpec};
use serde_json::{Map, Value, json};

use super::source;
use crate::cli::DataStats;
use crate::counting::Counting;
use crate::report::data_words::{alarms, classes, spread, values};
use crate::{output, report};

/// Broken files, and groups of equal images, that the terminal shows; the page shows more and JSON has all.
const SHOWN: usize = 10;

pub(super) fn run(args: &DataStats) -> Result<()> {
    let recipe = source(&args.recipe)?;
    let source = DataSource::from(&recipe);
    let (parts, notes) = source.image_parts(args.split)?;
    notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    let DataSpec { channels, page, scaling, .. } = source.spec();
    let options = SurveyOptions { limit: args.limit, seed: recipe.run.seed, channels, page, scaling };
    let counting = Counting::new("images looked at");
    let survey = survey(&parts, options, &mut |done, all| counting.at(done, all))?;
    drop(counting);
    // Pixels are normalised by what training images have.
    let suggested = if args.split == Some(Split::Test) { Map::new() } else { suggested(&survey) };
    let lines: Vec<String> = suggested.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    }
    report::write_page(&args.out, &report::data::page(&recipe.data.name, &survey, &lines))?;
    if args.result.json {
        let mut all = serde_json::to_value(&survey).map_err(|e| Error::failure(e.to_string()))?;
        all["recipe"] = Value::Object(suggested);
        all["page"] = json!(args.out.display().to_string());
        output::json(&all);
    } else {
        tell(&survey);
        if !lines.is_empty() {
            output::line("\nFor the recipe:");
            lines.iter().for_each(|line| output::line(line));
        }
        output::line(&format!("\n{}", args.out.display()));
    }
    // After all that was found: a script must not go on with such data.
    match survey.parts.iter().find(|part| part.is_unreadable()) {
        Some(part) => {
            let what = format!(
                "no image of the {} part can be read, of {} that were looked at",
                part.part, part.images
            );
            Err(Error::user(what).help("the broken ones are named above; see data.channels and data.reader"))
        }
        None => Ok(()),
    }
}

/// Keys of the recipe by what was found of the training part, or of the only one.
fn suggested(survey: &Survey) -> Map<String, Value> {
    let mut keys = Map::new();
    let Some(part) = survey.parts.first().filter(|part| !part.channels.is_empty()) else { return keys };
    // What is grey in all images needs no more than one.
    let channels = part.telling_channels();
    let figures = |of: fn(&Channel) -> f64| -> Value {
        channels.iter().map(|channel| (of(channel) * 1e5).round() / 1e5).collect()
    };
    keys.insert("data.channels".to_owned(), channels.len().into());
    keys.insert("data.mean".to_owned(), figures(|channel| channel.mean));
    keys.insert("data.std".to_owned(), figures(|channel| channel.std));
    // Of images of many sizes none follows from the data alone.
    if let Some(side) = part.square() {
        keys.insert("data.image_size".to_owned(), side.into());
    }
    keys
}

fn tell(survey: &Survey) {
    alarms(survey).iter().for_each(|alarm| output::line(alarm));
    let head = [
        "part",
        "images",
        "broken",
        "grey",
        "width",
        "height",
        "width/height",
        "mean",
        "std",
        "stored values",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(survey.parts.iter().map(row));
    output::table(&rows);
    for part in &survey.parts {
        let formats: Vec<String> =
            part.formats.iter().map(|(format, images)| format!("{images} {format}")).collect();
        output::line(&format!("\n{}: {}", part.part, formats.join(", ")));
        output::line(&format!("{}: {}", part.part, classes(part)));
        for broken in part.broken.iter().take(SHOWN) {
            output::line(&format!("{}: broken: {}: {}", part.part, broken.location, broken.why));
        }
        more(part.broken.len(), "broken files");
    }
    let duplicates = &survey.duplicates;
    if duplicates.groups.is_empty() {
        output::line("\nno two images are equal in every pixel");
    } else {
        output::line("");
        duplicates.groups.iter().take(SHOWN).for_each(|group| output::line(&group_line(group)));
        more(duplicates.groups.len(), "groups of equal images");
    }
}

fn more(all: usize, what: &str) {
    if all > SHOWN {
        output::line(&format!("… and {} more {what}", all - SHOWN));
    }
}

fn row(part: &PartSurvey) -> Vec<String> {
    let images =
        if part.images < part.of { format!("{} of {}", part.images, part.of) } else { part.of.to_string() };
    let sizes = part.sizes.as_ref();
    let spread =
        |of: fn(&Sizes) -> Spread, digits| sizes.map_or_else(String::new, |sizes| spread(of(sizes), digits));
    let figures = |of: fn(&Channel) -> f64| {
        part.telling_channels()
            .iter()
            .map(|channel| format!("{:.4}", of(channel)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    vec![
        part.part.clone(),
        images,
        part.broken.len().to_string(),
        part.grey.to_string(),
        spread(|sizes| sizes.width, 0),
        spread(|sizes| sizes.height, 0),
        spread(|sizes| sizes.aspect, 2),
        figures(|channel| channel.mean),
        figures(|channel| channel.std),
        part.stored_values.map_or_else(String::new, values),
    ]
}

fn group_line(group: &Duplicate) -> String {
    let twin = |twin: &Twin| {
        let class = twin.class.as_ref().map_or_else(String::new, |class| format!(" [{class}]"));
        format!("{}{class}", twin.location)
    };
    let what = match (group.across, group.contradiction) {
        (true, true) => "leaks and contradicts: ",
        (true, false) => "leaks: ",
        (false, true) => "contradicts: ",
        (false, false) => "equal: ",
    };
    let images: Vec<String> = group.images.iter().take(SHOWN).map(twin).collect();
    format!("{what}{}", images.join(" = "))
}

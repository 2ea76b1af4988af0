//! The page of what data are like.

use std::fmt::Write;

use palimpsest_datasets::survey::{Bin, Channel, Duplicates, Histogram, PartSurvey, Survey};

use super::bars::{Bar, columns, rows};
use super::data_words::{alarms, classes, spread, values};
use super::html::{esc, note, page as html_page, section, table};

/// Classes, broken files and groups of equal images that are listed at most.
const LISTED: usize = 60;

/// The whole page, with the recipe's lines.
pub(crate) fn page(name: &str, survey: &Survey, recipe: &[String]) -> String {
    let images: Vec<String> = survey
        .parts
        .iter()
        .map(|part| format!("{} of {} {} images", part.images, part.of, part.part))
        .collect();
    let mut body = format!(
        "<header>\n<p class=\"eyebrow\">Palimpsest data</p>\n<h1>{}</h1>\n<p class=\"title\">{} were decoded as the \
         recipe reads them.</p>\n",
        esc(name),
        esc(images.join(" and "))
    );
    for alarm in alarms(survey) {
        let _ = writeln!(body, "<p class=\"alert\">{}</p>", esc(alarm));
    }
    body += "</header>\n";
    body += &section("Pixels", &pixels(survey, recipe));
    body += &section("Sizes", &sizes(survey));
    body += &section("Classes", &class_counts(survey));
    body += &section("Files", &files(survey));
    body += &section("Equal images", &duplicates(&survey.duplicates));
    html_page(&format!("{name} · data"), &body)
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(esc).to_vec()
}

fn pixels(survey: &Survey, recipe: &[String]) -> String {
    let mut out = note(
        "Means and standard deviations over all pixels of all images, from 0 to 1: large images count by their area.",
    );
    let named = |part: &PartSurvey, channel: usize| match part.telling_channels().len() {
        1 => part.part.clone(),
        3 => format!("{}, {}", part.part, ["red", "green", "blue"][channel]),
        _ => format!("{}, channel {channel}", part.part),
    };
    let row = |part: &PartSurvey, number: usize, channel: &Channel| {
        vec![esc(named(part, number)), format!("{:.5}", channel.mean), format!("{:.5}", channel.std)]
    };
    let all = || {
        survey
            .parts
            .iter()
            .flat_map(|part| part.telling_channels().iter().enumerate().map(move |(n, c)| (part, n, c)))
    };
    out += &table(
        "plain",
        &cells(["", "mean", "deviation"]),
        &all().map(|(p, n, c)| row(p, n, c)).collect::<Vec<_>>(),
    );
    let stored = survey
        .parts
        .iter()
        .filter_map(|part| Some(format!("{}: {}", part.part, values(part.stored_values?))));
    let stored: Vec<String> = stored.collect();
    if !stored.is_empty() {
        out += &note(&format!(
            "Least and greatest numbers of the files, in their own units: {}.",
            stored.join("; ")
        ));
    }
    out += "<div class=\"charts dots\">\n";
    for (part, number, channel) in all().take(LISTED) {
        out += &columns(&format!("{}: pixels by brightness", named(part, number)), &levels(channel));
    }
    out += "</div>\n";
    if !recipe.is_empty() {
        let _ = write!(out, "<h3>For the recipe</h3>\n<pre>{}</pre>\n", esc(recipe.join("\n")));
    }
    out
}

/// Neighbouring levels together: more bars than pixels of the drawing show nothing.
fn levels(channel: &Channel) -> Vec<Bar> {
    const TOGETHER: usize = 8;
    let bar = |(number, some): (usize, &[u64])| Bar {
        name: format!("{:.2}", (number * TOGETHER) as f64 / channel.levels.len() as f64),
        count: some.iter().sum(),
    };
    channel.levels.chunks(TOGETHER).enumerate().map(bar).collect()
}

fn sizes(survey: &Survey) -> String {
    let mut out = String::new();
    let row = |part: &PartSurvey| {
        let sizes = part.sizes.as_ref()?;
        let cells = [
            part.part.clone(),
            spread(sizes.width, 0),
            spread(sizes.height, 0),
            spread(sizes.shorter, 0),
            spread(sizes.aspect, 2),
        ];
        Some(cells.map(esc).to_vec())
    };
    let all: Vec<Vec<String>> = survey.parts.iter().filter_map(row).collect();
    if all.is_empty() {
        return note("No image could be read.");
    }
    out += &note("Least, median and largest, in pixels.");
    out += &table("plain", &cells(["", "width", "height", "shorter side", "width / height"]), &all);
    out += "<div class=\"charts dots\">\n";
    for part in &survey.parts {
        let Some(sizes) = &part.sizes else { continue };
        for (what, histogram, digits) in [
            ("shorter side in pixels", &sizes.shorter_histogram, 0),
            ("width / height", &sizes.aspect_histogram, 2),
        ] {
            // One bar says no more than the table.
            if histogram.0.len() > 1 {
                out += &columns(&format!("{}: images by {what}", part.part), &bars(histogram, digits));
            }
        }
    }
    out + "</div>\n"
}

fn bars(Histogram(bins): &Histogram, digits: usize) -> Vec<Bar> {
    let bar = |bin: &Bin| Bar { name: format!("{:.digits$}", bin.from), count: bin.images as u64 };
    bins.iter().map(bar).collect()
}

fn class_counts(survey: &Survey) -> String {
    let mut out = String::new();
    for part in &survey.parts {
        out += &note(&format!("{}: {}.", part.part, classes(part)));
    }
    out += "<div class=\"charts dots\">\n";
    for part in survey.parts.iter().filter(|part| !part.classes.is_empty()) {
        let mut counts: Vec<Bar> = part
            .classes
            .iter()
            .map(|class| Bar { name: class.class.clone(), count: class.images as u64 })
            .collect();
        // Of many, the ends are what matters.
        let all = counts.len();
        counts.sort_by_key(|bar| std::cmp::Reverse(bar.count));
        if all > LISTED {
            counts.drain(LISTED / 2..all - LISTED / 2);
        }
        let shown =
            if all > LISTED { format!(", the {} largest and smallest", LISTED / 2) } else { String::new() };
        out += &rows(&format!("{}: images of each class{shown}", part.part), &counts);
    }
    out + "</div>\n"
}

fn files(survey: &Survey) -> String {
    let mut out = String::new();
    let formats = survey.parts.iter().flat_map(|part| {
        part.formats.iter().map(|(format, images)| cells([&part.part, format, &images.to_string()]))
    });
    out += &table("plain", &cells(["", "format", "images"]), &formats.collect::<Vec<_>>());
    for part in survey.parts.iter().filter(|part| !part.broken.is_empty()) {
        let broken = part.broken.iter().take(LISTED);
        let items: String = broken
            .map(|file| format!("<li><code>{}</code>: {}</li>\n", esc(&file.location), esc(&file.why)))
            .collect();
        let _ =
            write!(out, "<h3>{}: can't be read</h3>\n<ul class=\"log\">\n{items}</ul>\n", esc(&part.part));
        out += &more(part.broken.len());
    }
    out
}

fn duplicates(duplicates: &Duplicates) -> String {
    let mut out = note(
        "Equal means of one size and equal in every pixel; images that are nearly equal are not looked for.",
    );
    if duplicates.groups.is_empty() {
        return out + &note("There are none.");
    }
    out += "<ul class=\"log\">\n";
    for group in duplicates.groups.iter().take(LISTED) {
        let images = group.images.iter().take(LISTED).map(|twin| {
            let class = twin.class.as_ref().map_or_else(String::new, |class| format!(", {class}"));
            format!("<code>{}</code> <i>{}{}</i>", esc(&twin.location), esc(&twin.part), esc(class))
        });
        let what = match (group.across, group.contradiction) {
            (true, true) => "<b>In both parts, under different classes:</b> ",
            (true, false) => "<b>In both parts:</b> ",
            (false, true) => "<b>Under different classes:</b> ",
            (false, false) => "",
        };
        let _ = writeln!(out, "<li>{what}{}</li>", images.collect::<Vec<_>>().join(" = "));
    }
    out + "</ul>\n" + &more(duplicates.groups.len())
}

fn more(all: usize) -> String {
    if all > LISTED {
        note(&format!("{} more are in the result of --json.", all - LISTED))
    } else {
        String::new()
    }
}

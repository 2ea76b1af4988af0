//! Whether factors change each other's effects, and whether one measure predicts another.

use std::fmt::Write;

use palimpsest_study::relation::Relation;
use palimpsest_study::results::Results;

use super::StudyPage;
use crate::report::html::{esc, note, table};
use crate::report::number::{UNKNOWN, significant};
use crate::report::scale::{Measure, Scale};

/// The declared interactions.
pub(super) fn interactions(page: &StudyPage<'_>) -> String {
    let results = page.results;
    if results.interactions.is_empty() {
        return String::new();
    }
    let head = [
        "Interaction",
        "Measure",
        "Seeds",
        "Neither",
        "First",
        "Second",
        "Both",
        "Difference of differences",
        "p",
    ];
    let rows: Vec<Vec<String>> = results
        .interactions
        .iter()
        .map(|one| {
            let measure = page.measure(&one.measure);
            let or_unknown = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
            let mut row = vec![esc(&one.name), esc(&one.measure), one.differences.len().to_string()];
            row.extend(
                [0, 1, 2, 3].map(|i| or_unknown(one.means.map(|means| page.score(measure, means[i])))),
            );
            let interval = one.interval.map_or_else(String::new, |range| {
                let [low, high] = [range.low, range.high].map(|value| page.plain_difference(measure, value));
                format!(" <small>[{low}, {high}]</small>")
            });
            row.push(or_unknown(one.shift.map(|shift| esc(page.difference(measure, shift)))) + &interval);
            row.push(or_unknown(one.p.map(|p| significant(p, 3))));
            row
        })
        .collect();
    // What the four corners are, once a claim.
    let mut names: Vec<&str> = vec![];
    let mut factors = String::new();
    for one in results.interactions.iter() {
        if !names.contains(&one.name.as_str()) {
            names.push(&one.name);
            let [first, second] = [&one.first, &one.second].map(|[from, to]| format!("{from} \u{2192} {to}"));
            factors += &note(&format!("{}: the first is {first}; the second {second}.", one.name));
        }
    }
    table("plain", &head.map(str::to_owned), &rows)
        + &factors
        + &note(
            "Zero where the second factor does the same with and without the first; p of the sign-flip test, not corrected.",
        )
}

const SIDE: f64 = 300.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 40.0;

/// The declared relations: a point a cell.
pub(super) fn relations(results: &Results) -> String {
    let mut out = String::new();
    for relation in &results.relations {
        let rank = match (relation.rho, relation.p) {
            (Some(rho), Some(p)) => format!(
                "Spearman's rank correlation {rho:.2} over {} cells, p {}",
                relation.points.len(),
                significant(p, 2)
            ),
            _ if relation.points.len() > 2 => "one of the two is the same for all cells".to_owned(),
            _ => format!("{} cells are too few", relation.points.len()),
        };
        let _ = writeln!(
            out,
            "<figure class=\"chart scatter\">\n<figcaption><b>{}</b><span>{}</span></figcaption>\n{}</figure>",
            esc(&relation.name),
            esc(rank),
            scatter(results, relation)
        );
    }
    if out.is_empty() { out } else { format!("<div class=\"charts\">\n{out}</div>\n") }
}

fn scatter(results: &Results, relation: &Relation) -> String {
    let fit = |pick: fn(&(usize, f64, f64)) -> f64| {
        let values = relation.points.iter().map(pick);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let room = 0.08 * (high - low).max(1e-9);
        (low <= high).then(|| Scale::between(low - room, high + room, Measure::Number))
    };
    let (Some(across), Some(up)) = (fit(|point| point.1), fit(|point| point.2)) else {
        return note("No cell is measured yet.");
    };
    let x = |value: f64| LEFT + across.position(value) * (SIDE - LEFT - 10.0);
    let y = |value: f64| (SIDE - BOTTOM) - up.position(value) * (SIDE - BOTTOM - 10.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\"><title>{} against {}</title>\n",
        esc(&relation.y),
        esc(&relation.x)
    );
    for (value, label) in across.ticks(4) {
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"10\" y2=\"{1}\"/><text class=\"middle\" x=\"{0:.1}\" y=\"{2}\">{3}</text>",
            x(value),
            SIDE - BOTTOM,
            SIDE - BOTTOM + 15.0,
            esc(label)
        );
    }
    for (value, label) in up.ticks(4) {
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{1}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text class=\"end\" x=\"{2}\" y=\"{3:.1}\">{4}</text>",
            y(value),
            SIDE - 10.0,
            LEFT - 6.0,
            y(value) + 4.0,
            esc(label)
        );
    }
    for (cell, a, b) in &relation.points {
        let _ = writeln!(
            svg,
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}</title></circle>",
            x(*a),
            y(*b),
            esc(&results.cells[*cell].name)
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"name middle\" x=\"{}\" y=\"{}\">{}</text>",
        (LEFT + SIDE) / 2.0,
        SIDE - 6.0,
        esc(&relation.x)
    );
    svg + "</svg>\n"
}

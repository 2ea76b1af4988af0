//! A row for each cell: mean, interval, seeds, cost.

use palimpsest_study::file::ANALYSED;
use palimpsest_study::summary::Row;

use super::StudyPage;
use crate::report::html::{details, esc, note, table};
use crate::report::number::{UNKNOWN, count, duration};

/// Rows of a grid that are shown at most; the tables beside the page have all.
const MOST: usize = 300;

/// A table for each grid.
pub(super) fn tables(page: &StudyPage<'_>) -> String {
    let mut out = String::new();
    for (number, grid) in page.plan.grids.iter().enumerate() {
        if !grid.name.is_empty() {
            out.push_str(&format!("<h3>{}</h3>\n", esc(&grid.name)));
        }
        if !grid.title.is_empty() {
            out.push_str(&note(&grid.title));
        }
        out.push_str(&of_grid(page, number));
    }
    out.push_str(&note(
        "Mean over seeds, in brackets its 95 % interval over seeds; the best mean of a grid in bold, with all whose interval reaches it: by these seeds alone they may be as good. n is the number of seeds.",
    ));
    out
}

fn of_grid(page: &StudyPage<'_>, grid: usize) -> String {
    let plan = page.plan;
    let cells: Vec<usize> = (0..plan.cells.len()).filter(|&i| plan.cells[i].grid == grid).collect();
    let measures = &page.results.measures;
    let mut head: Vec<String> = plan.grids[grid].axes.iter().map(|(axis, _)| esc(axis)).collect();
    if head.is_empty() {
        head.push("Cell".to_owned());
    }
    head.extend(measures.iter().map(esc));
    head.extend(["n", "Images", "Training"].map(str::to_owned));
    let best: Vec<f64> = (0..measures.len())
        .map(|measure| {
            let means = cells.iter().filter_map(|&cell| page.results.row(cell, measure)).map(|row| row.mean);
            means.fold(f64::NEG_INFINITY, f64::max)
        })
        .collect();
    let rows: Vec<Vec<String>> = cells
        .iter()
        .take(MOST)
        .map(|&cell| {
            let levels = &plan.cells[cell].levels;
            let mut row: Vec<String> =
                plan.grids[grid].axes.iter().map(|(axis, _)| esc(&levels[axis])).collect();
            if row.is_empty() {
                row.push(esc(plan.cell_name(&plan.cells[cell])));
            }
            let of_cell = |measure: usize| page.results.row(cell, measure);
            row.extend((0..measures.len()).map(|measure| {
                of_cell(measure).map_or_else(|| UNKNOWN.to_owned(), |r| shown(page, r, best[measure]))
            }));
            row.push((0..measures.len()).filter_map(of_cell).map(|row| row.n).max().unwrap_or(0).to_string());
            let cost = page.results.costs[cell];
            row.push(cost.map_or_else(|| UNKNOWN.to_owned(), |cost| count(cost.image_steps.round() as u64)));
            row.push(cost.map_or_else(|| UNKNOWN.to_owned(), |cost| duration(cost.seconds)));
            row
        })
        .collect();
    let mut out = table("plain study", &head, &rows);
    if cells.len() > MOST {
        out.push_str(&note(&format!("The first {MOST} of {} cells; tables/cells.csv has all.", cells.len())));
    }
    let variances = variances(page, &cells);
    if !variances.is_empty() {
        out.push_str(&details("Where the spread comes from", &variances));
    }
    out
}

fn shown(page: &StudyPage<'_>, row: &Row, best: f64) -> String {
    let mean = page.score(row.measure, row.mean);
    // Of spectra and ranks more is not better.
    let reaches = row.mean == best || row.interval.is_some_and(|range| range.high >= best);
    let mean = if reaches && !ANALYSED.contains(&page.results.measures[row.measure].as_str()) {
        format!("<b>{mean}</b>")
    } else {
        mean
    };
    let plain = |value: f64| page.score(row.measure, value).trim_end_matches(" %").to_owned();
    let interval = row.interval.map_or_else(String::new, |range| {
        format!(" <small>[{}, {}]</small>", plain(range.low), plain(range.high))
    });
    mean + &interval
}

/// The seeds of pre-training against those of the head, where heads have several.
fn variances(page: &StudyPage<'_>, cells: &[usize]) -> String {
    let mut rows = vec![];
    for row in page.results.rows.iter().filter(|row| cells.contains(&row.cell)) {
        let Some(variance) = row.variance else { continue };
        let deviation = |variance: f64| page.score(row.measure, variance.max(0.0).sqrt());
        rows.push(vec![
            esc(page.plan.cell_name(&page.plan.cells[row.cell])),
            esc(&page.results.measures[row.measure]),
            deviation(variance.pretraining) + if variance.cut { " (its estimate was below 0)" } else { "" },
            deviation(variance.head),
            variance.share.map_or_else(|| UNKNOWN.to_owned(), |share| format!("{:.0} %", 100.0 * share)),
        ]);
    }
    if rows.is_empty() {
        return String::new();
    }
    let head = [
        "Cell",
        "Measure",
        "Deviation by pre-training's seed",
        "by the head's seed",
        "share of pre-training",
    ];
    table("plain", &head.map(str::to_owned), &rows)
}

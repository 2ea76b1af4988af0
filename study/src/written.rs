//! Tables as CSV and LaTeX.

use crate::comparison::Verdict;
use crate::results::Results;
use crate::summary::Range;

/// A table: its name, the heads of its columns, and its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The file's name without its ending.
    pub name: &'static str,
    /// What it shows.
    pub caption: String,
    /// Heads of columns.
    pub head: Vec<String>,
    /// Rows of cells.
    pub rows: Vec<Vec<String>>,
}

/// The tables of a study: cells, scores by seed, comparisons, interactions, relations.
pub fn tables(results: &Results) -> Vec<Table> {
    let mut tables = vec![cells(results), scores(results), comparisons(results)];
    if !results.interactions.is_empty() {
        tables.push(interactions(results));
    }
    if !results.relations.is_empty() {
        tables.push(relations(results));
    }
    tables
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// A number with the digits that count, and nothing where there is none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| {
        let rounded = format!("{value:.5}");
        rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
    })
}

fn ends(range: Option<Range>) -> [String; 2] {
    [number(range.map(|range| range.low)), number(range.map(|range| range.high))]
}

fn cells(results: &Results) -> Table {
    let head = strings([
        "grid",
        "cell",
        "measure",
        "figure",
        "n",
        "mean",
        "deviation",
        "low",
        "high",
        "interquartile_mean",
        "iqm_low",
        "iqm_high",
        "test_images",
        "test_low",
        "test_high",
        "variance_pretraining",
        "variance_head",
        "image_steps",
        "seconds",
    ]);
    let row = |row: &crate::summary::Row| {
        let cell = &results.cells[row.cell];
        let mut out = vec![
            cell.grid.clone(),
            cell.name.clone(),
            results.measures[row.measure].clone(),
            results.figures[row.measure].clone().unwrap_or_default(),
            row.n.to_string(),
            number(Some(row.mean)),
            number(row.deviation),
        ];
        out.extend(ends(row.interval));
        out.push(number(row.interquartile_mean));
        out.extend(ends(row.interquartile_interval));
        out.push(row.images.map_or_else(String::new, |images| images.to_string()));
        out.extend(ends(row.test_interval));
        // Small numbers, whose squares are smaller still.
        let variance = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4e}"));
        out.push(variance(row.variance.map(|v| v.pretraining)));
        out.push(variance(row.variance.map(|v| v.head)));
        let cost = results.costs[row.cell];
        out.push(cost.map_or_else(String::new, |cost| format!("{:.0}", cost.image_steps)));
        out.push(cost.map_or_else(String::new, |cost| format!("{:.1}", cost.seconds)));
        out
    };
    Table {
        name: "cells",
        caption: "Mean over seeds of pre-training with its 95 % interval".to_owned(),
        head,
        rows: results.rows.iter().map(row).collect(),
    }
}

fn scores(results: &Results) -> Table {
    let mut rows = vec![];
    for row in &results.rows {
        let cell = &results.cells[row.cell];
        for (seed, score) in results.seeds.iter().zip(&row.by_seed) {
            let Some(score) = score else { continue };
            rows.push(vec![
                cell.grid.clone(),
                cell.name.clone(),
                results.measures[row.measure].clone(),
                seed.to_string(),
                number(Some(*score)),
            ]);
        }
    }
    Table {
        name: "scores",
        caption: "Every score".to_owned(),
        head: strings(["grid", "cell", "measure", "seed", "score"]),
        rows,
    }
}

/// A verdict in a word.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::Contradicted => "contradicted",
        Verdict::Open => "can't be said",
        Verdict::Unfinished => "not finished",
        Verdict::Missing => "not measured",
    }
}

fn comparisons(results: &Results) -> Table {
    let head = strings([
        "comparison",
        "measure",
        "n",
        "shift",
        "low",
        "high",
        "coverage",
        "mean",
        "p",
        "p_holm",
        "least_p",
        "probability_of_improvement",
        "seeds_above",
        "verdict",
    ]);
    let rows = results.comparisons.iter().map(|one| {
        let test = one.test.as_ref();
        let mut out = vec![one.name.clone(), one.measure.clone(), one.differences.len().to_string()];
        out.push(number(test.map(|t| t.shift)));
        out.extend(ends(test.and_then(|t| t.shift_interval)));
        out.push(number(test.and_then(|t| t.coverage)));
        let figures: [fn(&crate::comparison::Test) -> f64; 6] =
            [|t| t.mean, |t| t.p, |t| t.p_holm, |t| t.least_p, |t| t.improvement, |t| t.paired_improvement];
        out.extend(figures.map(|figure| number(test.map(figure))));
        out.push(verdict(one.verdict).to_owned());
        out
    });
    Table {
        name: "comparisons",
        caption: "Declared comparisons: Hodges-Lehmann shift of paired differences, exact sign-flip test, Holm's correction".to_owned(),
        head,
        rows: rows.collect(),
    }
}

fn interactions(results: &Results) -> Table {
    let rows = results.interactions.iter().map(|one| {
        let mut out = vec![one.name.clone(), one.measure.clone(), one.differences.len().to_string()];
        out.extend([0, 1, 2, 3].map(|corner| number(one.means.map(|means| means[corner]))));
        out.push(number(one.shift));
        out.extend(ends(one.interval));
        out.push(number(one.p));
        out
    });
    Table {
        name: "interactions",
        caption: "Differences of differences by seed".to_owned(),
        head: strings([
            "interaction",
            "measure",
            "n",
            "neither",
            "first",
            "second",
            "both",
            "shift",
            "low",
            "high",
            "p",
        ]),
        rows: rows.collect(),
    }
}

fn relations(results: &Results) -> Table {
    let row = |one: &crate::relation::Relation| {
        vec![
            one.name.clone(),
            one.x.clone(),
            one.y.clone(),
            one.points.len().to_string(),
            number(one.rho),
            number(one.p),
        ]
    };
    Table {
        name: "relations",
        caption: "Spearman's rank correlation over cells".to_owned(),
        head: strings(["relation", "x", "y", "cells", "rho", "p"]),
        rows: results.relations.iter().map(row).collect(),
    }
}

impl Table {
    /// The table as CSV (RFC 4180).
    pub fn csv(&self) -> String {
        let cell = |text: &String| match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.clone(),
        };
        let line = |cells: &Vec<String>| cells.iter().map(cell).collect::<Vec<_>>().join(",") + "\n";
        std::iter::once(&self.head).chain(&self.rows).map(line).collect()
    }

    /// The table as LaTeX, for the packages booktabs and longtable.
    pub fn latex(&self) -> String {
        let line = |cells: &Vec<String>| {
            cells.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" & ") + " \\\\\n"
        };
        let numeric = |column: usize| {
            let cells = || self.rows.iter().map(|row| row[column].as_str()).filter(|cell| !cell.is_empty());
            cells().next().is_some() && cells().all(|cell| cell.parse::<f64>().is_ok())
        };
        let columns: String =
            (0..self.head.len()).map(|column| if numeric(column) { 'r' } else { 'l' }).collect();
        let mut out = format!(
            "% needs \\usepackage{{booktabs,longtable}}\n\\begin{{longtable}}{{{columns}}}\n\\caption{{{}}}\\\\\n\\toprule\n",
            escaped(&self.caption)
        );
        out += &line(&self.head);
        out += "\\midrule\n\\endhead\n";
        self.rows.iter().for_each(|row| out += &line(row));
        out + "\\bottomrule\n\\end{longtable}\n"
    }
}

/// A text without characters that TeX takes for commands.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_escaped() {
        let table = Table {
            name: "t",
            caption: "50 %".to_owned(),
            head: strings(["a_b", "n"]),
            rows: vec![strings(["x, \"y\"", "1.5"]), strings(["z", ""])],
        };
        assert_eq!(table.csv(), "a_b,n\n\"x, \"\"y\"\"\",1.5\nz,\n");
        let latex = table.latex();
        assert!(
            latex.contains("\\begin{longtable}{lr}")
                && latex.contains("a\\_b & n \\\\")
                && latex.contains("50 \\%"),
            "{latex}"
        );
    }
}

//! A matrix of shares as a drawing: the darker a cell, the nearer to 1.

use std::fmt::Write;

use super::html::esc;

/// A square matrix with values from 0 to 1 under labels that fall into groups of neighbours.
pub(super) fn heatmap(title: &str, groups: &[(String, Vec<String>)], matrix: &[Vec<f64>]) -> String {
    const CELL: usize = 18;
    const LEFT: usize = 96;
    const TOP: usize = 22;
    let labels: Vec<(&str, &str)> = groups
        .iter()
        .flat_map(|(group, names)| names.iter().map(move |name| (group.as_str(), name.as_str())))
        .collect();
    let side = CELL * labels.len();
    let mut out = format!(
        "<figure class=\"chart matrix\">\n<figcaption><b>{2}</b></figcaption>\n\
         <svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"{2}\">\n",
        LEFT + side + 4,
        TOP + side + 4,
        esc(title),
    );
    let mut start = 0;
    for (group, names) in groups {
        let x = LEFT + CELL * start;
        // A letter takes about six units; what has no room above its columns would run into the next name.
        let room = CELL * names.len() / 6;
        let shown = match group.chars().count() > room {
            true => group.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
            false => group.clone(),
        };
        let _ = writeln!(
            out,
            "<text class=\"name\" x=\"{x}\" y=\"13\">{}<title>{}</title></text>",
            esc(shown),
            esc(group)
        );
        start += names.len();
        let end = CELL * start;
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{0}\" x2=\"{0}\" y1=\"{TOP}\" y2=\"{1}\"/>\
             <line class=\"axis\" x1=\"{LEFT}\" x2=\"{2}\" y1=\"{3}\" y2=\"{3}\"/>",
            LEFT + end,
            TOP + side,
            LEFT + side,
            TOP + end,
        );
    }
    for (i, (group, name)) in labels.iter().enumerate() {
        let y = TOP + CELL * i;
        let _ = writeln!(
            out,
            "<text class=\"end\" x=\"{}\" y=\"{}\">{}</text>",
            LEFT - 6,
            y + CELL - 5,
            esc(name)
        );
        for (j, value) in matrix[i].iter().enumerate() {
            let (other, column) = labels[j];
            let what = format!("{group}, {name}\n{other}, {column}\n{value:.3}");
            // CKA by an unbiased estimator may fall a little below 0.
            let _ = writeln!(
                out,
                "<rect x=\"{}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" style=\"fill: var(--s0)\" \
                 fill-opacity=\"{:.3}\"><title>{}</title></rect>",
                LEFT + CELL * j,
                if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 },
                esc(what)
            );
        }
    }
    out.push_str("</svg>\n</figure>\n");
    out
}

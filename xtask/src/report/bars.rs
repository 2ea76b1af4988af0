//! Counts as bars: side by side where their order is that of a scale, one below the other where they have names.

use std::fmt::Write;

use super::html::esc;
use super::number::count;

/// A bar.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) count: u64,
}

const WIDTH: f64 = 460.0;
/// Letters of a name that have room.
const LETTERS: usize = 20;

/// Bars side by side, with the names of the first, the middle and the last.
pub(super) fn columns(title: &str, bars: &[Bar]) -> String {
    const HEIGHT: f64 = 150.0;
    const TOP: f64 = 20.0;
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let bottom = TOP + HEIGHT;
    let step = WIDTH / bars.len().max(1) as f64;
    let mut svg = begun(title, bottom + 20.0);
    let _ = writeln!(
        svg,
        "<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{TOP}\" y2=\"{TOP}\"/><text x=\"0\" y=\"{}\">{}</text>",
        TOP - 6.0,
        esc(count(most))
    );
    for (number, bar) in bars.iter().enumerate() {
        let height = HEIGHT * bar.count as f64 / most as f64;
        let _ = writeln!(
            svg,
            "<rect class=\"full\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"><title>{}: {}</title></rect>",
            step * number as f64 + 0.5,
            bottom - height,
            (step - 1.0).max(0.5),
            esc(&bar.name),
            count(bar.count)
        );
    }
    let _ = writeln!(svg, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{bottom}\" y2=\"{bottom}\"/>");
    let mut named = vec![(0.0, "", bars.first())];
    if bars.len() > 2 {
        let middle = bars.len() / 2;
        named.push((step * middle as f64, "middle", bars.get(middle)));
    }
    if bars.len() > 1 {
        named.push((WIDTH, "end", bars.last()));
    }
    for (x, anchor, bar) in named {
        let name = bar.map(|bar| esc(&bar.name)).unwrap_or_default();
        let _ = writeln!(svg, "<text class=\"{anchor}\" x=\"{x:.1}\" y=\"{}\">{name}</text>", bottom + 16.0);
    }
    figure(title, &svg)
}

/// Bars one below the other, each with its name and count.
pub(super) fn rows(title: &str, bars: &[Bar]) -> String {
    const ROW: f64 = 22.0;
    const LEFT: f64 = 136.0;
    const RIGHT: f64 = 76.0;
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let mut svg = begun(title, ROW * bars.len() as f64);
    for (number, bar) in bars.iter().enumerate() {
        let y = ROW * number as f64;
        let width = (WIDTH - LEFT - RIGHT) * bar.count as f64 / most as f64;
        let _ = writeln!(
            svg,
            "<text class=\"name end\" x=\"{}\" y=\"{}\">{}<title>{}</title></text>\
             <rect class=\"full\" x=\"{LEFT}\" y=\"{}\" width=\"{width:.2}\" height=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>",
            LEFT - 8.0,
            y + 15.0,
            esc(shortened(&bar.name)),
            esc(&bar.name),
            y + 4.0,
            ROW - 8.0,
            LEFT + width + 6.0,
            y + 15.0,
            count(bar.count)
        );
    }
    figure(title, &svg)
}

fn begun(title: &str, height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{}</title>\n", esc(title))
}

fn figure(title: &str, svg: &str) -> String {
    format!(
        "<figure class=\"chart\">\n<figcaption><b>{}</b></figcaption>\n{svg}</svg>\n</figure>\n",
        esc(title)
    )
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

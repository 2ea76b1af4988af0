//! A confusion matrix as a drawing (SVG) that can stand in a report or alone.

use std::fmt::Write;

use super::ConfusionMatrix;

/// Cells are at least this wide, in pixels, while there are few classes.
const CELL: f64 = 34.0;
/// The matrix is at most this wide.
const WIDTH: f64 = 720.0;
/// Above this many classes, names and figures would not be legible.
const NAMED: usize = 40;

impl ConfusionMatrix {
    /// Truth down, prediction across; the darker, the larger the share of the row's class. Names and
    /// percentages are written for up to 40 classes; each cell tells them on hovering.
    pub fn to_svg(&self, names: &[String]) -> String {
        let classes = self.classes();
        let named = classes <= NAMED;
        let cell = CELL.min(WIDTH / classes.max(1) as f64);
        let name = |class: usize| names.get(class).map_or_else(|| class.to_string(), |name| escape(name));
        let longest = (0..classes).map(|c| name(c).chars().count()).max().unwrap_or(0).min(24);
        let margin = if named { 24.0 + 6.2 * longest as f64 } else { 24.0 };
        let side = margin + cell * classes as f64 + 8.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side:.0} {side:.0}\" width=\"{side:.0}\" \
             height=\"{side:.0}\" role=\"img\" aria-label=\"confusion matrix\" font-family=\"system-ui, sans-serif\" \
             font-size=\"10\">\n<text x=\"12\" y=\"14\">truth down, prediction across</text>\n"
        );
        for class in 0..classes {
            if !named {
                break;
            }
            let (name, middle) = (cut(&name(class)), margin + cell * (class as f64 + 0.5));
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text><text transform=\"translate({:.1} \
                 {:.1}) rotate(-90)\">{name}</text>",
                margin - 5.0,
                middle + 3.5,
                middle + 3.5,
                margin - 5.0
            );
        }
        for truth in 0..classes {
            let truths = self.truths(truth);
            for predicted in 0..classes {
                let count = self.count(truth, predicted);
                // Empty cells of large matrices would make up most of the file.
                if count == 0 && !named {
                    continue;
                }
                let share = if truths == 0 { 0.0 } else { count as f64 / truths as f64 };
                self.cell(&mut svg, [truth, predicted], [margin, cell], share, named, &name);
            }
        }
        let span = cell * classes as f64;
        let _ = writeln!(
            svg,
            "<rect x=\"{margin:.1}\" y=\"{margin:.1}\" width=\"{span:.1}\" height=\"{span:.1}\" fill=\"none\" \
             stroke=\"#888\"/>\n</svg>"
        );
        svg
    }

    fn cell(
        &self,
        svg: &mut String,
        [truth, predicted]: [usize; 2],
        [margin, cell]: [f64; 2],
        share: f64,
        figures: bool,
        name: &dyn Fn(usize) -> String,
    ) {
        let (x, y) = (margin + cell * predicted as f64, margin + cell * truth as f64);
        // Blue where right, red where wrong.
        let full: [f64; 3] = if truth == predicted { [31.0, 90.0, 160.0] } else { [180.0, 50.0, 40.0] };
        let [r, g, b] = full.map(|v| (255.0 + (v - 255.0) * share.sqrt()).round());
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{cell:.1}\" height=\"{cell:.1}\" fill=\"rgb({r:.0},{g:.0},{b:.0})\">\
             <title>{} taken for {}: {} ({:.1} %)</title></rect>",
            name(truth),
            name(predicted),
            self.count(truth, predicted),
            100.0 * share
        );
        if figures && cell >= 24.0 && share >= 0.005 {
            let ink = if share > 0.4 { "#fff" } else { "#222" };
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{ink}\">{:.0}</text>",
                x + cell / 2.0,
                y + cell / 2.0 + 3.5,
                100.0 * share
            );
        }
    }
}

fn cut(name: &str) -> String {
    // An entity may not be cut in two.
    if name.chars().count() <= 24 || name.contains('&') {
        return name.to_owned();
    }
    name.chars().take(23).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_told_and_names_are_escaped() {
        let matrix = ConfusionMatrix::of(2, &[0, 0, 0, 1], &[0, 0, 1, 1]).expect("fits");
        let svg = matrix.to_svg(&["a<b".to_owned(), "c".to_owned()]);
        assert!(svg.contains("a&lt;b taken for c: 1 (33.3 %)") && !svg.contains("a<b"), "{svg}");
        assert_eq!(svg.matches("<title>").count(), 4);
        assert!(svg.ends_with("</svg>\n"));
        // Classes without a sample, and more than can be named.
        let svg = ConfusionMatrix::of(100, &[3, 3], &[3, 5]).expect("fits").to_svg(&[]);
        assert_eq!(svg.matches("<title>").count(), 2);
    }
}

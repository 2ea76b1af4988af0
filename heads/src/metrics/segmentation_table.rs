//! The per-class table of segmentation, as text.

use std::fmt::Write;

use super::SegmentationScores;

impl SegmentationScores {
    /// One line a class in the order of the classes, then the means; percentages.
    pub fn table(&self, names: &[String]) -> String {
        let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
        let longest = (0..self.classes.len()).map(|c| name(c).chars().count()).chain([5]).max().unwrap_or(5);
        let mut out =
            format!("{:<longest$} {:>7} {:>7} {:>9} {:>12}\n", "class", "IoU", "acc", "precision", "pixels");
        let percent = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{:.2}", 100.0 * v));
        for (i, class) in self.classes.iter().enumerate() {
            let _ = writeln!(
                out,
                "{:<longest$} {:>7} {:>7} {:>9} {:>12}",
                name(i),
                percent(class.iou),
                percent(class.accuracy),
                percent(class.precision),
                class.pixels
            );
        }
        let _ = writeln!(
            out,
            "{:<longest$} {:>7} {:>7}   pixel accuracy {}",
            "mean",
            percent(Some(self.mean_iou)),
            percent(Some(self.mean_accuracy)),
            percent(Some(self.pixel_accuracy))
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConfusionMatrix;
    use super::*;

    #[test]
    fn a_class_that_never_occurs_has_no_figures() {
        let confusion = ConfusionMatrix::of(3, &[0, 0, 1, 1], &[0, 1, 1, 1]).expect("fits");
        let table = SegmentationScores::of(&confusion).table(&["sky".to_owned(), "tree".to_owned()]);
        let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["sky", "50.00", "50.00", "100.00", "2"]);
        assert_eq!(lines[3], ["2", "-", "-", "-", "0"]);
        assert_eq!(lines[4][..3], ["mean", "58.33", "75.00"]);
    }
}

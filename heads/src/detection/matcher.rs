//! Which object a box is trained to find.

use super::BoxXyxy;

/// What a box is matched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// An object, by its number.
    Object(usize),
    /// Nothing: it is background.
    Background,
    /// Neither clearly one nor the other: it is not trained on.
    Ignored,
}

/// By overlap (Ren et al., Faster R-CNN, 2015).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matcher {
    /// A box whose best IoU is at least this finds that object.
    pub foreground: f64,
    /// A box whose best IoU is below this is background.
    pub background: f64,
    /// Whether every object also gets the boxes that overlap it most, however little.
    pub best_for_each: bool,
}

impl Matcher {
    /// Matches boxes with objects. A box goes to the object that it overlaps most, of equals to the
    /// first.
    pub fn match_boxes(&self, objects: &[BoxXyxy], boxes: &[BoxXyxy]) -> Vec<Match> {
        let mut best_of_object = vec![0.0f64; objects.len()];
        let best: Vec<(usize, f64)> = boxes
            .iter()
            .map(|b| {
                let mut best = (0, f64::NEG_INFINITY);
                for (i, object) in objects.iter().enumerate() {
                    let iou = object.iou(b);
                    best_of_object[i] = best_of_object[i].max(iou);
                    if iou > best.1 {
                        best = (i, iou);
                    }
                }
                best
            })
            .collect();
        let mut matches: Vec<Match> = best
            .iter()
            .map(|&(object, iou)| {
                if iou >= self.foreground {
                    Match::Object(object)
                } else if iou >= self.background {
                    Match::Ignored
                } else {
                    Match::Background
                }
            })
            .collect();
        if self.best_for_each {
            for (at, b) in boxes.iter().enumerate() {
                // An object that no box touches would take them all.
                let wanted = (0..objects.len())
                    .any(|i| best_of_object[i] > 0.0 && objects[i].iou(b) == best_of_object[i]);
                if wanted {
                    matches[at] = Match::Object(best[at].0);
                }
            }
        }
        matches
    }
}

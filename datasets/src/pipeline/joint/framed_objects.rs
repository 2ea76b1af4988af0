//! Objects as framed: boxes and masks cut to the window, what is hardly left of dropped.

use palimpsest_core::Result;
use palimpsest_targets::{Object, Rle};

use super::Framing;

impl Framing {
    /// The objects as framed. One of which less than `least_visible` of its area is left is dropped;
    /// so is one without any pixel, or without a thousandth of a pixel of box, whatever the share. A
    /// box that was cut is drawn anew around the visible mask, where there is one.
    ///
    /// # Errors
    /// A mask that the source doesn't lie in.
    pub fn objects(&self, objects: &[Object], least_visible: f64) -> Result<Vec<Object>> {
        let (columns, rows) = self.columns_and_rows();
        let (across, down) = self.scale();
        let mut kept = Vec::with_capacity(objects.len());
        for object in objects {
            let placed = self.location(&object.bounds);
            let mut bounds = placed.clipped(self.size.0 as f64, self.size.1 as f64);
            let inside = self.source_holds(object);
            let cut = bounds != placed || !inside;
            let mut visible = if object.bounds.is_empty() { 0.0 } else { bounds.area() / placed.area() };
            let mask = match &object.mask {
                None => None,
                Some(mask) => {
                    self.check("mask", mask.width(), mask.height())?;
                    let framed = self.mask(mask, &columns, &rows);
                    let whole = mask.area() as f64 * across * down;
                    // Rounding to whole pixels may add a little to what was there.
                    visible = if cut { (framed.area() as f64 / whole).min(1.0) } else { 1.0 };
                    if framed.area() == 0 {
                        continue;
                    }
                    if cut {
                        bounds = framed.bounds();
                    }
                    Some(framed)
                }
            };
            let seen = bounds.width > 1e-3 && bounds.height > 1e-3;
            if !seen || visible < least_visible {
                continue;
            }
            let area = object.area * across * down * visible;
            kept.push(Object { bounds, mask, area, ..object.clone() });
        }
        Ok(kept)
    }

    /// Whether the source cuts nothing off an object's box.
    fn source_holds(&self, object: &Object) -> bool {
        let (s, b) = (self.source, object.bounds);
        b.left >= s.left as f64
            && b.top >= s.top as f64
            && b.right() <= (s.left + s.width) as f64
            && b.bottom() <= (s.top + s.height) as f64
    }

    fn mask(&self, mask: &Rle, columns: &[Option<usize>], rows: &[Option<usize>]) -> Rle {
        let (pixels, width) = (mask.decode(), mask.width());
        Rle::from_fn(self.size.0, self.size.1, |x, y| match (columns[x], rows[y]) {
            (Some(column), Some(row)) => pixels[row * width + column] == 1,
            _ => false,
        })
    }
}

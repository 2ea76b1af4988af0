//! From a region's small mask to the image's pixels.

use palimpsest_targets::Rle;

use crate::detection::BoxXyxy;

/// The pixels of an image of `width` x `height` whose centre has a probability of at least a half in the
/// mask (`size` x `size` probabilities) stretched over the box, bilinearly, with zeros around it: Detectron2's
/// `paste_masks_in_image`, that is PyTorch's `grid_sample` without aligned corners.
pub fn paste_mask(
    probabilities: &[f32],
    size: usize,
    edges: &BoxXyxy,
    (width, height): (usize, usize),
) -> Rle {
    let [left, top, _, _] = edges.0;
    let (wide, high) = (edges.width(), edges.height());
    let at = |row: i64, column: i64| -> f64 {
        let inside = (0..size as i64).contains(&row) && (0..size as i64).contains(&column);
        if inside { f64::from(probabilities[row as usize * size + column as usize]) } else { 0.0 }
    };
    Rle::from_fn(width, height, |x, y| {
        let u = (x as f64 + 0.5 - left) / wide * size as f64 - 0.5;
        let v = (y as f64 + 0.5 - top) / high * size as f64 - 0.5;
        let outside = |t: f64| !(t > -1.0 && t < size as f64);
        if outside(u) || outside(v) {
            return false;
        }
        let (column, row) = (u.floor(), v.floor());
        let (across, down) = (u - column, v - row);
        let (column, row) = (column as i64, row as i64);
        let upper = at(row, column) * (1.0 - across) + at(row, column + 1) * across;
        let lower = at(row + 1, column) * (1.0 - across) + at(row + 1, column + 1) * across;
        upper * (1.0 - down) + lower * down >= 0.5
    })
}

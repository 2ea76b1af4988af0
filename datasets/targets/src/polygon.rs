//! Polygons to masks, pixel for pixel as COCO's tools make them.

use palimpsest_core::{Error, Result};

use crate::Rle;

/// The outline is walked on a grid this many times finer than the pixels.
const FINER: f64 = 5.0;
/// How far outside of its image a corner may lie, in pixels.
const FAR: f64 = 65_536.0;

impl Rle {
    /// Rasterises a polygon of x, y, x, y, … (at least three corners; it closes itself). Every column
    /// is turned on and off where the outline crosses it, so parts that are covered twice are out.
    ///
    /// # Errors
    /// Too few or an odd number of coordinates, or one that is not finite or far outside.
    pub fn from_polygon(width: usize, height: usize, coordinates: &[f64]) -> Result<Self> {
        if coordinates.len() < 6 || !coordinates.len().is_multiple_of(2) {
            return Err(Error::user(format!("a polygon of {} coordinates", coordinates.len()))
                .help("give x and y of at least three corners"));
        }
        let most = FAR + width.max(height) as f64;
        if let Some(wrong) = coordinates.iter().find(|v| v.is_nan() || v.abs() > most) {
            return Err(Error::user(format!("the polygon's coordinate {wrong} is far outside of the image"))
                .help("give coordinates in pixels"));
        }
        let corners: Vec<[i64; 2]> = coordinates
            .chunks_exact(2)
            .map(|c| [(FINER * c[0] + 0.5) as i64, (FINER * c[1] + 0.5) as i64])
            .collect();
        let mut outline = Vec::new();
        for (i, &from) in corners.iter().enumerate() {
            walk(from, corners[(i + 1) % corners.len()], &mut outline);
        }
        let mut turns = crossings(&outline, width, height);
        turns.push((width * height) as u32);
        turns.sort_unstable();
        let mut last = 0;
        let runs = turns.iter().enumerate().map(|(i, &at)| {
            let length = at - last;
            last = at;
            (i % 2 == 1, length)
        });
        Ok(Self::collect(width, height, runs))
    }

    /// The union of polygons, one object in several pieces.
    ///
    /// # Errors
    /// As [`Rle::from_polygon`].
    pub fn from_polygons<P: AsRef<[f64]>>(width: usize, height: usize, pieces: &[P]) -> Result<Self> {
        pieces.iter().try_fold(Self::empty(width, height), |all, piece| {
            Ok(all.union(&Self::from_polygon(width, height, piece.as_ref())?))
        })
    }
}

/// The points from one corner to the next, one for each step along the longer side. They are computed
/// from the lesser end whichever way the edge goes, so that neighbours share their border exactly.
fn walk(from: [i64; 2], to: [i64; 2], outline: &mut Vec<[i64; 2]>) {
    let (dx, dy) = ((to[0] - from[0]).abs(), (to[1] - from[1]).abs());
    let (long, short) = if dx >= dy { (0, 1) } else { (1, 0) };
    let backwards = from[long] > to[long];
    let (start, end) = if backwards { (to, from) } else { (from, to) };
    let steps = dx.max(dy);
    let slope = (end[short] - start[short]) as f64 / steps as f64;
    for step in 0..=steps {
        let t = if backwards { steps - step } else { step };
        let mut point = [0; 2];
        point[long] = start[long] + t;
        // A corner given twice has no slope: 0 steps of it.
        let across = if steps == 0 { 0.0 } else { slope * t as f64 };
        point[short] = (start[short] as f64 + across + 0.5) as i64;
        outline.push(point);
    }
}

/// Where the outline crosses the middle of a column: the first pixel below, counted down the columns.
fn crossings(outline: &[[i64; 2]], width: usize, height: usize) -> Vec<u32> {
    let mut turns = Vec::new();
    for pair in outline.windows(2) {
        let ([x0, y0], [x1, y1]) = (pair[0], pair[1]);
        if x0 == x1 {
            continue;
        }
        let fine = if x1 < x0 { x1 } else { x1 - 1 };
        let column = (fine as f64 + 0.5) / FINER - 0.5;
        if column.floor() != column || column < 0.0 || column > width as f64 - 1.0 {
            continue;
        }
        let row = ((y0.min(y1) as f64 + 0.5) / FINER - 0.5).clamp(0.0, height as f64).ceil();
        turns.push(column as u32 * height as u32 + row as u32);
    }
    turns
}

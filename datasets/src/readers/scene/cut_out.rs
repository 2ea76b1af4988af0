//! An item cut out of its black background, at any size.

use palimpsest_core::data::Image8;

/// Grey values from which a pixel belongs to the item.
const FOREGROUND: u8 = 24;

/// An item: its grey image and its silhouette, cut to the silhouette's bounds.
pub(super) struct CutOut {
    width: usize,
    height: usize,
    grey: Vec<f32>,
    /// 1 inside, 0 outside.
    inside: Vec<f32>,
}

impl CutOut {
    /// Cuts an item out. Dark parts that the item encloses belong to it. None if it is all dark.
    pub(super) fn of(image: &Image8) -> Option<Self> {
        let (width, height) = (image.width, image.height);
        let outside = outside(image);
        let at = |x: usize, y: usize| !outside[y * width + x];
        let columns: Vec<usize> = (0..width).filter(|&x| (0..height).any(|y| at(x, y))).collect();
        let rows: Vec<usize> = (0..height).filter(|&y| (0..width).any(|x| at(x, y))).collect();
        let (&left, &right, &top, &bottom) = (columns.first()?, columns.last()?, rows.first()?, rows.last()?);
        let (mut grey, mut inside) = (Vec::new(), Vec::new());
        for y in top..=bottom {
            for x in left..=right {
                grey.push(f32::from(image.pixels[(y * width + x) * image.channels]) / 255.0);
                inside.push(if at(x, y) { 1.0 } else { 0.0 });
            }
        }
        Some(Self { width: right - left + 1, height: bottom - top + 1, grey, inside })
    }

    pub(super) fn longer_side(&self) -> usize {
        self.width.max(self.height)
    }

    /// Width and height at a scale.
    pub(super) fn scaled(&self, scale: f64) -> (usize, usize) {
        let side = |side: usize| ((side as f64 * scale).round() as usize).max(1);
        (side(self.width), side(self.height))
    }

    /// Grey value at a pixel of the item scaled to `size`; none outside of it. Bilinear, with
    /// what lies beyond the bounds taken for outside.
    pub(super) fn sample(&self, (x, y): (usize, usize), size: (usize, usize)) -> Option<f32> {
        let u = (x as f32 + 0.5) * self.width as f32 / size.0 as f32 - 0.5;
        let v = (y as f32 + 0.5) * self.height as f32 / size.1 as f32 - 0.5;
        let (mut inside, mut grey) = (0.0, 0.0);
        for (row, share_down) in corners(v) {
            for (column, share_across) in corners(u) {
                let within =
                    (0..self.width as i64).contains(&column) && (0..self.height as i64).contains(&row);
                if !within {
                    continue;
                }
                let at = row as usize * self.width + column as usize;
                let share = share_down * share_across * self.inside[at];
                inside += share;
                grey += share * self.grey[at];
            }
        }
        (inside >= 0.5).then(|| grey / inside)
    }
}

fn corners(at: f32) -> [(i64, f32); 2] {
    let (low, share) = (at.floor(), at - at.floor());
    [(low as i64, 1.0 - share), (low as i64 + 1, share)]
}

/// The dark pixels that are connected with the edge by dark pixels.
fn outside(image: &Image8) -> Vec<bool> {
    let (width, height) = (image.width, image.height);
    let dark = |at: usize| image.pixels[at * image.channels] < FOREGROUND;
    let mut outside = vec![false; width * height];
    let mut open: Vec<usize> = (0..width * height)
        .filter(|at| {
            let (x, y) = (at % width, at / width);
            x == 0 || y == 0 || x + 1 == width || y + 1 == height
        })
        .collect();
    while let Some(at) = open.pop() {
        if outside[at] || !dark(at) {
            continue;
        }
        outside[at] = true;
        let (x, y) = (at % width, at / width);
        open.extend((x > 0).then(|| at - 1));
        open.extend((x + 1 < width).then_some(at + 1));
        open.extend((y > 0).then(|| at - width));
        open.extend((y + 1 < height).then_some(at + width));
    }
    outside
}

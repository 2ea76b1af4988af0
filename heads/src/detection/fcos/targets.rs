//! Which object each place is trained to find.

use crate::detection::BoxXyxy;
use crate::detection::anchors::LevelExtents;

/// A place of a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Its centre, x and y in pixels of the image.
    pub at: [f64; 2],
    /// Pixels of the image for one of its level.
    pub stride: f64,
    /// The least and greatest distance to the farthest edge of a box that it is responsible for; both
    /// excluded.
    pub range: [f64; 2],
}

/// Every place of every level: 4 to 8 strides are its range, but the finest level also has all that is
/// smaller, the coarsest all that is larger.
pub fn points(levels: &[LevelExtents]) -> Vec<Point> {
    let mut points = vec![];
    for (i, level) in levels.iter().enumerate() {
        let least = if i == 0 { 0.0 } else { 4.0 * level.stride };
        let most = if i + 1 == levels.len() { f64::INFINITY } else { 8.0 * level.stride };
        for row in 0..level.height {
            for column in 0..level.width {
                points.push(Point {
                    at: [(column as f64 + 0.5) * level.stride, (row as f64 + 0.5) * level.stride],
                    stride: level.stride,
                    range: [least, most],
                });
            }
        }
    }
    points
}

impl Point {
    /// Distances to the left, top, right and bottom edge of a box.
    pub fn distances(&self, edges: &BoxXyxy) -> [f64; 4] {
        let ([x, y], [left, top, right, bottom]) = (self.at, edges.0);
        [x - left, y - top, right - x, bottom - y]
    }

    /// The box of distances in strides.
    pub fn decode(&self, distances: [f64; 4]) -> BoxXyxy {
        let [left, top, right, bottom] = distances.map(|d| d * self.stride);
        let [x, y] = self.at;
        BoxXyxy([x - left, y - top, x + right, y + bottom])
    }
}

/// The object of each point, none for background: the smallest of those that the point lies in, within
/// `radius` strides of the centre, and whose farthest edge is in the point's range.
pub fn assign(points: &[Point], objects: &[BoxXyxy], radius: f64) -> Vec<Option<usize>> {
    let finds = |point: &Point, object: &BoxXyxy| {
        let (centre, distances) = (object.centre(), point.distances(object));
        let off = (0..2).map(|i| (point.at[i] - centre[i]).abs()).fold(0.0, f64::max);
        let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
        let most = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        off < radius * point.stride && least > 0.0 && most > point.range[0] && most < point.range[1]
    };
    let smallest = |point: &Point| {
        let candidates = (0..objects.len()).filter(|&i| finds(point, &objects[i]));
        candidates.min_by(|&a, &b| objects[a].area().total_cmp(&objects[b].area()))
    };
    points.iter().map(smallest).collect()
}

/// How near to the centre of its box a point is: 1 there, 0 at an edge.
pub fn centreness([left, top, right, bottom]: [f64; 4]) -> f64 {
    let share = |a: f64, b: f64| a.min(b) / a.max(b);
    (share(left, right) * share(top, bottom)).sqrt()
}

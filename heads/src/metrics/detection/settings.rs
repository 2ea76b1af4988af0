//! COCO's thresholds and ranges, to the last bit as numpy's `linspace` makes them.

/// IoU thresholds: 0.5 to 0.95 by 0.05.
pub(super) const THRESHOLDS: usize = 10;
/// Recalls at which precision is read: 0 to 1 by 0.01.
pub(super) const RECALLS: usize = 101;
/// Detections of an image and class that count, for recall; precision uses the last.
pub(super) const MOST: [usize; 3] = [1, 10, 100];

/// Which objects are asked for, by their area in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// All.
    All,
    /// Up to 32 x 32.
    Small,
    /// 32 x 32 to 96 x 96.
    Medium,
    /// From 96 x 96.
    Large,
}

impl Area {
    /// All ranges, in the order of their use.
    pub const ALL: [Self; 4] = [Self::All, Self::Small, Self::Medium, Self::Large];

    /// Least and greatest area, both included.
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::All => (0.0, 1e10),
            Self::Small => (0.0, 1024.0),
            Self::Medium => (1024.0, 9216.0),
            Self::Large => (9216.0, 1e10),
        }
    }

    pub(super) fn has(self, area: f64) -> bool {
        let (least, greatest) = self.range();
        !(area < least || area > greatest)
    }
}

fn linspace(from: f64, to: f64, count: usize, i: usize) -> f64 {
    if i + 1 == count { to } else { from + i as f64 * ((to - from) / (count - 1) as f64) }
}

/// The IoU thresholds 0.5, 0.55, …, 0.95.
pub fn iou_thresholds() -> [f64; THRESHOLDS] {
    std::array::from_fn(|i| linspace(0.5, 0.95, THRESHOLDS, i))
}

pub(super) fn recall_thresholds() -> [f64; RECALLS] {
    std::array::from_fn(|i| linspace(0.0, 1.0, RECALLS, i))
}

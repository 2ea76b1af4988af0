//! Anchors: reference boxes at every place of a pyramid.

use super::BoxXyxy;

/// The extents of a level: rows, columns and pixels of the image for one of the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelExtents {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Pixels.
    pub stride: f64,
}

/// One size a level, several shapes (Lin et al., FPN, 2017).
#[derive(Debug, Clone, PartialEq)]
pub struct AnchorGenerator {
    /// The root of an anchor's area in strides of its level.
    pub scale: f64,
    /// Heights over widths.
    pub ratios: Vec<f64>,
}

impl AnchorGenerator {
    /// Anchors at a place.
    pub fn per_place(&self) -> usize {
        self.ratios.len()
    }

    /// The anchors of each level, place by place, row by row. They are centred where the map's pixels are, as
    /// aligned `RoIAlign` sees them (Detectron2's offset of 0.5; torchvision centres them on a pixel's corner).
    pub fn generate(&self, levels: &[LevelExtents]) -> Vec<Vec<BoxXyxy>> {
        levels.iter().map(|level| self.of_level(level)).collect()
    }

    fn of_level(&self, level: &LevelExtents) -> Vec<BoxXyxy> {
        let size = self.scale * level.stride;
        let shapes: Vec<[f64; 2]> =
            self.ratios.iter().map(|ratio| [size / ratio.sqrt(), size * ratio.sqrt()]).collect();
        let mut anchors = Vec::with_capacity(level.height * level.width * shapes.len());
        for row in 0..level.height {
            for column in 0..level.width {
                let [x, y] = [column, row].map(|at| (at as f64 + 0.5) * level.stride);
                anchors.extend(
                    shapes.iter().map(|[w, h]| BoxXyxy([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h])),
                );
            }
        }
        anchors
    }
}

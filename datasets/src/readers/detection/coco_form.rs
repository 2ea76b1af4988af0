//! The parts of COCO's JSON that detection needs.

use palimpsest_core::{Error, Result};
use palimpsest_targets::Rle;
use serde::Deserialize;

use super::annotated::Shape;

#[derive(Deserialize)]
pub(super) struct CocoFile {
    pub(super) images: Vec<CocoImage>,
    #[serde(default)]
    pub(super) annotations: Vec<CocoAnnotation>,
    pub(super) categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
pub(super) struct CocoImage {
    pub(super) id: u64,
    pub(super) file_name: String,
    pub(super) width: usize,
    pub(super) height: usize,
}

#[derive(Deserialize)]
pub(super) struct CocoCategory {
    pub(super) id: u64,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct CocoAnnotation {
    pub(super) id: u64,
    pub(super) image_id: u64,
    pub(super) category_id: u64,
    pub(super) bbox: [f64; 4],
    #[serde(default)]
    pub(super) area: Option<f64>,
    #[serde(default)]
    pub(super) iscrowd: u8,
    #[serde(default)]
    pub(super) segmentation: Option<Segmentation>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Segmentation {
    Polygons(Vec<Vec<f64>>),
    Runs { size: [usize; 2], counts: Counts },
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Counts {
    Numbers(Vec<u32>),
    Text(String),
}

impl Segmentation {
    /// The shape in an image of `width` x `height`.
    pub(super) fn shape(self, width: usize, height: usize) -> Result<Shape> {
        match self {
            // Made by tools that annotate boxes only.
            Self::Polygons(pieces) if pieces.is_empty() => Ok(Shape::Unknown),
            Self::Polygons(pieces) => {
                for piece in &pieces {
                    if piece.len() < 6 || piece.len() % 2 == 1 {
                        return Err(Error::user(format!("a polygon of {} coordinates", piece.len()))
                            .help("give x and y of at least three corners"));
                    }
                }
                Ok(Shape::Polygons(pieces))
            }
            Self::Runs { size: [rows, columns], counts } => {
                if (columns, rows) != (width, height) {
                    return Err(Error::user(format!(
                        "the mask has {columns}x{rows} pixels, its image {width}x{height}"
                    ))
                    .help("make both the same size; `size` is [height, width]"));
                }
                Ok(Shape::Mask(match counts {
                    Counts::Numbers(numbers) => Rle::new(width, height, &numbers)?,
                    Counts::Text(text) => Rle::from_text(width, height, &text)?,
                }))
            }
        }
    }
}

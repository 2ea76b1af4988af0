//! The parts of COCO's JSON that detection needs, with the variations that pycocotools takes.

use std::fmt;

use palimpsest_core::{Error, Result};
use palimpsest_targets::{BoundingBox, Rle};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::annotated::Shape;
use crate::formats::tally::Tally;

#[derive(Deserialize)]
pub(crate) struct CocoFile {
    pub(crate) images: Vec<CocoImage>,
    #[serde(default)]
    pub(crate) annotations: Vec<CocoAnnotation>,
    pub(crate) categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
pub(crate) struct CocoImage {
    pub(crate) id: Id,
    pub(crate) file_name: String,
    width: Option<Real>,
    height: Option<Real>,
}

#[derive(Deserialize)]
pub(crate) struct CocoCategory {
    pub(crate) id: Id,
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct CocoAnnotation {
    pub(crate) id: Id,
    pub(crate) image_id: Id,
    pub(crate) category_id: Id,
    bbox: Option<Vec<Real>>,
    pub(crate) area: Option<Real>,
    pub(crate) iscrowd: Option<Crowd>,
    pub(crate) segmentation: Option<Segmentation>,
}

/// An id: `1` and `1.0` are the same, as in Python, and `"1"` is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Id {
    Number(i64),
    Text(Box<str>),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "`{text}`"),
        }
    }
}

/// A number, also one in quotes; `null` stands for NaN.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Real(pub(crate) f64);

impl Real {
    /// The number as one of pixels.
    fn whole(self, what: &str) -> Result<u64> {
        let Self(value) = self;
        if value < 0.0 || value.fract() != 0.0 || !value.is_finite() || value > f64::from(u32::MAX) {
            return Err(
                Error::user(format!("`{what}` is {value}, not a number of pixels")).help("correct it")
            );
        }
        Ok(value as u64)
    }
}

/// Whether it is a crowd: a truth value or a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd(pub(crate) bool);

struct Scalar<T>(&'static str, fn(Value<'_>) -> Option<T>);

enum Value<'a> {
    Truth(bool),
    Number(f64),
    Text(&'a str),
    Nothing,
}

impl<T> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_bool<E: de::Error>(self, v: bool) -> std::result::Result<T, E> {
        (self.1)(Value::Truth(v)).ok_or_else(|| E::invalid_type(Unexpected::Bool(v), &self))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> std::result::Result<T, E> {
        self.visit_f64(v as f64)
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> std::result::Result<T, E> {
        self.visit_f64(v as f64)
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> std::result::Result<T, E> {
        (self.1)(Value::Number(v)).ok_or_else(|| E::invalid_value(Unexpected::Float(v), &self))
    }
    fn visit_str<E: de::Error>(self, v: &str) -> std::result::Result<T, E> {
        (self.1)(Value::Text(v)).ok_or_else(|| E::invalid_value(Unexpected::Str(v), &self))
    }
    fn visit_unit<E: de::Error>(self) -> std::result::Result<T, E> {
        (self.1)(Value::Nothing).ok_or_else(|| E::invalid_type(Unexpected::Unit, &self))
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(Scalar("a number", |value| match value {
            Value::Number(number) => Some(Self(number)),
            Value::Text(text) => text.trim().parse().ok().map(Self),
            Value::Nothing => Some(Self(f64::NAN)),
            Value::Truth(_) => None,
        }))
    }
}

impl<'de> Deserialize<'de> for Crowd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(Scalar("true, false, 1 or 0", |value| match value {
            Value::Truth(truth) => Some(Self(truth)),
            Value::Number(number) => Some(Self(number != 0.0)),
            Value::Nothing => Some(Self(false)),
            // To Python every text is true, "0" too.
            Value::Text(_) => None,
        }))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: a whole number or a text")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> std::result::Result<Id, E> {
                Ok(Id::Number(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> std::result::Result<Id, E> {
                i64::try_from(v).map(Id::Number).map_err(|_| E::invalid_value(Unexpected::Unsigned(v), &self))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> std::result::Result<Id, E> {
                // Beyond 2^53 a float isn't one whole number.
                if v.fract() == 0.0 && v.abs() < 9.0e15 {
                    Ok(Id::Number(v as i64))
                } else {
                    Err(E::invalid_value(Unexpected::Float(v), &self))
                }
            }
            fn visit_str<E: de::Error>(self, v: &str) -> std::result::Result<Id, E> {
                Ok(Id::Text(v.into()))
            }
        }
        from.deserialize_any(Visit)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`segmentation` is neither polygons nor a mask with `size` and `counts`")]
pub(crate) enum Segmentation {
    Polygons(Vec<Vec<Real>>),
    /// A single polygon without the list around it.
    Polygon(Vec<Real>),
    Runs {
        size: [Real; 2],
        counts: Counts,
    },
    /// `{}`, as some tools write for a box without an outline.
    Nothing(Nothing),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Counts {
    Numbers(Vec<Real>),
    Text(String),
}

impl CocoImage {
    /// Width and height, if both are told: pycocotools does without them for boxes.
    pub(crate) fn size(&self) -> Result<Option<(usize, usize)>> {
        let side = |side: Option<Real>, what| side.map_or(Ok(0), |side| side.whole(what));
        let (width, height) = (side(self.width, "width")?, side(self.height, "height")?);
        Ok((width > 0 && height > 0).then_some((width as usize, height as usize)))
    }
}

impl CocoAnnotation {
    /// The box as annotated, or else around the shape; none if there is neither.
    pub(crate) fn bounds(&self, shape: &Shape) -> Result<BoundingBox> {
        match self.bbox.as_deref().unwrap_or_default() {
            &[left, top, width, height] => Ok(BoundingBox::new(left.0, top.0, width.0, height.0)),
            [] => {
                match shape {
                    Shape::Mask(mask) => Ok(mask.bounds()),
                    Shape::Polygons(pieces) => Ok(around(pieces)),
                    Shape::Unknown => Err(Error::user("neither `bbox` nor `segmentation`")
                        .help("give one of them, or remove it")),
                }
            }
            other => Err(Error::user(format!("`bbox` has {} numbers", other.len()))
                .help("give left, top, width and height")),
        }
    }
}

/// The box around polygons.
fn around(pieces: &[Vec<f64>]) -> BoundingBox {
    let span = |axis: usize| {
        let values = || pieces.iter().flat_map(|piece| piece.iter().skip(axis).step_by(2).copied());
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((left, right), (top, bottom)) = (span(0), span(1));
    BoundingBox::from_edges(left, top, right, bottom)
}

impl Segmentation {
    /// The shape in an image of `size`. Outlines that enclose nothing are left out and counted.
    pub(crate) fn shape(self, size: Option<(usize, usize)>, tally: &mut Tally) -> Result<Shape> {
        let pieces = match self {
            Self::Polygons(pieces) => pieces,
            Self::Polygon(piece) => vec![piece],
            Self::Nothing(Nothing {}) => return Ok(Shape::Unknown),
            Self::Runs { size: [rows, columns], counts } => {
                let (rows, columns) = (rows.whole("size")? as usize, columns.whole("size")? as usize);
                if let Some((width, height)) = size
                    && (columns, rows) != (width, height)
                {
                    return Err(Error::user(format!(
                        "the mask has {columns}x{rows} pixels, its image {width}x{height}"
                    ))
                    .help("make both the same size; `size` is [height, width]"));
                }
                return Ok(Shape::Mask(match counts {
                    Counts::Numbers(numbers) => {
                        let numbers = numbers.into_iter().map(|n| Ok(n.whole("counts")? as u32));
                        Rle::new(columns, rows, &numbers.collect::<Result<Vec<_>>>()?)?
                    }
                    Counts::Text(text) => Rle::from_text(columns, rows, &text)?,
                }));
            }
        };
        let mut outlines = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let mut outline: Vec<f64> = piece.into_iter().map(|Real(value)| value).collect();
            if let Some(wrong) = outline.iter().find(|value| !value.is_finite()) {
                return Err(
                    Error::user(format!("`segmentation` has the coordinate {wrong}")).help("correct it")
                );
            }
            if outline.len() % 2 == 1 {
                // pycocotools takes as many pairs as there are.
                tally.add("outlines have an x without a y at their end, which was left out");
                outline.pop();
            }
            if outline.len() < 6 {
                tally.add("outlines of fewer than three corners were left out");
                continue;
            }
            outlines.push(outline);
        }
        // None: made by tools that annotate boxes only.
        Ok(if outlines.is_empty() { Shape::Unknown } else { Shape::Polygons(outlines) })
    }
}

//! Reads a NumPy array of two or three axes as an image: `numpy.save`'s format, versions 1 to 3.

use half::f16;
use palimpsest_core::data::Image;
use palimpsest_core::{Error, Result};

use crate::decode::{DecodeOptions, broken, check_size, mismatch};
use crate::formats::shown::shown;
use crate::pipeline::scaling::{NumberKind, Numbers};

/// A file of these bytes as an image of as many channels as the options ask for.
pub(super) fn read(bytes: &[u8], options: DecodeOptions) -> Result<Image> {
    let Array { shape, fortran, kind, width, big_endian, data } = Array::parse(bytes)?;
    let layout = Layout::of(&shape, options.channels)?;
    check_size(layout.width, layout.height, options)?;
    let count = shape.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
    let size = count.and_then(|count| count.checked_mul(width));
    let Some(data) = size.and_then(|size| data.get(..size)) else {
        return Err(broken(format_args!(
            "its header says an array of {shape:?}, and {} bytes follow (a truncated file)",
            data.len()
        )));
    };
    let strides = strides(&shape, fortran);
    let order = layout.order(&strides);
    let numbers = numbers(data, (kind, width, big_endian), order)?;
    let Layout { width, height, channels, .. } = layout;
    options.scaling.image(Image { width, height, channels, pixels: numbers }, kind)
}

/// Kind and bytes of the numbers of a file that begins so.
pub(super) fn stored(start: &[u8]) -> Option<(NumberKind, usize)> {
    Array::parse(start).ok().map(|array| (array.kind, array.width))
}

/// What the header tells, and what follows it.
struct Array<'a> {
    shape: Vec<usize>,
    /// Whether the first axis runs fastest.
    fortran: bool,
    kind: NumberKind,
    /// Bytes of a number.
    width: usize,
    big_endian: bool,
    data: &'a [u8],
}

impl<'a> Array<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        let short = || broken("its header is cut off");
        let major = *bytes.get(6).ok_or_else(short)?;
        let (length, start) = match major {
            1 => (u64::from(u16::from_le_bytes(field(bytes, 8).ok_or_else(short)?)), 10),
            2 | 3 => (u64::from(u32::from_le_bytes(field(bytes, 8).ok_or_else(short)?)), 12),
            _ => return Err(broken(format_args!("version {major} of NumPy's format isn't known"))),
        };
        let end = usize::try_from(length).ok().and_then(|length| length.checked_add(start));
        let end = end.filter(|end| *end <= bytes.len()).ok_or_else(short)?;
        let text = String::from_utf8_lossy(&bytes[start..end]);
        let missing = |key: &str| broken(format_args!("its header has no {key} ({})", shown(text.trim())));

        let descr = value(&text, "descr").ok_or_else(|| missing("descr"))?;
        let type_name = quoted(descr).ok_or_else(|| unread("an array of records"))?;
        let (kind, width, big_endian) = number_type(type_name)?;
        let order = value(&text, "fortran_order").ok_or_else(|| missing("fortran_order"))?;
        let fortran = order.starts_with("True");
        let shape = value(&text, "shape").ok_or_else(|| missing("shape"))?;
        let shape =
            shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(|| missing("shape"))?.0;
        let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
        // Python 2 wrote long integers with an L.
        let shape = sides.map(|side| side.trim_end_matches('L').parse().ok()).collect::<Option<_>>();
        let shape = shape.ok_or_else(|| missing("shape"))?;
        Ok(Self { shape, fortran, kind, width, big_endian, data: &bytes[end..] })
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// What stands behind a key of the header, which is a dictionary of Python.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    ['\'', '"'].iter().find_map(|quote| {
        let key = format!("{quote}{key}{quote}");
        text.split_once(&*key)?.1.trim_start().strip_prefix(':').map(str::trim_start)
    })
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    text[1..].split_once(quote).map(|(inner, _)| inner)
}

fn unread(what: &str) -> Error {
    Error::user(format!("the file is {what}, and not of integers or floats"))
        .help("save the array as one of these, as with array.astype(\"float32\")")
}

/// `<f4`, `|u1` and so on: kind, bytes, and whether the highest byte comes first.
fn number_type(name: &str) -> Result<(NumberKind, usize, bool)> {
    let named = || unread(&format!("an array of `{}`", shown(name)));
    let (big_endian, rest) = match name.split_at_checked(1).ok_or_else(named)? {
        (">", rest) => (true, rest),
        ("<" | "|" | "=", rest) => (false, rest),
        _ => (false, name),
    };
    let (kind, width) = match rest {
        "u1" | "u2" | "u4" | "u8" => {
            let width = usize::from(rest.as_bytes()[1] - b'0');
            (NumberKind::Unsigned(8 * width as u32), width)
        }
        "i1" | "i2" | "i4" | "i8" => {
            let width = usize::from(rest.as_bytes()[1] - b'0');
            (NumberKind::Signed(8 * width as u32), width)
        }
        "f2" => (NumberKind::Float, 2),
        "f4" => (NumberKind::Float, 4),
        "f8" => (NumberKind::Float, 8),
        _ => return Err(named()),
    };
    Ok((kind, width, big_endian))
}

/// Which axis is which.
struct Layout {
    height: usize,
    width: usize,
    channels: usize,
    /// The axes of rows, columns and channels; none for the channels of two axes.
    axes: (usize, usize, Option<usize>),
}

impl Layout {
    /// [H, W], [H, W, C] or [C, H, W], told by the number of channels that is asked for.
    fn of(shape: &[usize], wanted: usize) -> Result<Self> {
        let by = |axis: usize| {
            let (rows, columns) = if axis == 0 { (1, 2) } else { (0, 1) };
            Self {
                height: shape[rows],
                width: shape[columns],
                channels: shape[axis],
                axes: (rows, columns, Some(axis)),
            }
        };
        let &[first, _, last] = shape else {
            let &[height, width] = shape else {
                return Err(Error::user(format!("an array of {} axes is no image", shape.len()))
                    .help("save one image a file, as [height, width, channels]"));
            };
            if !matches!(wanted, 1 | 3) {
                return Err(mismatch(1, wanted));
            }
            return Ok(Self { height, width, channels: 1, axes: (0, 1, None) });
        };
        // Grey may be asked for of RGB, and the other way round.
        let other = match wanted {
            1 => 3,
            3 => 1,
            other => other,
        };
        for channels in [wanted, other] {
            match (first == channels, last == channels) {
                (true, false) => return Ok(by(0)),
                (false, true) => return Ok(by(2)),
                (true, true) => {
                    return Err(Error::user(format!(
                        "an array of {shape:?} may have its {channels} channels in the first axis or in the last"
                    ))
                    .help("save images of another size, or as TIFF"));
                }
                (false, false) => {}
            }
        }
        Err(Error::user(format!("an array of {shape:?} has no axis of {wanted} channels"))
            .help(format!("set data.channels={} (or {first}), as the files have", last)))
    }

    /// Where the numbers of [height, width, channels] are, one after the other.
    fn order(&self, strides: &[usize]) -> impl Iterator<Item = usize> {
        let (rows, columns, channels) = self.axes;
        let (down, across) = (strides[rows], strides[columns]);
        let deep = channels.map_or(0, |axis| strides[axis]);
        let (height, width, channels) = (self.height, self.width, self.channels);
        (0..height).flat_map(move |y| {
            (0..width).flat_map(move |x| (0..channels).map(move |c| y * down + x * across + c * deep))
        })
    }
}

/// Numbers between neighbours along each axis.
fn strides(shape: &[usize], fortran: bool) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    if fortran {
        (1..shape.len()).for_each(|axis| strides[axis] = strides[axis - 1] * shape[axis - 1]);
    } else {
        (1..shape.len()).rev().for_each(|axis| strides[axis - 1] = strides[axis] * shape[axis]);
    }
    strides
}

/// The numbers of `data` in this order.
fn numbers(
    data: &[u8],
    (kind, width, big_endian): (NumberKind, usize, bool),
    order: impl Iterator<Item = usize>,
) -> Result<Numbers> {
    let bytes = |at: usize| -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&data[at * width..(at + 1) * width]);
        if big_endian {
            bytes[..width].reverse();
        }
        bytes
    };
    // The integer of the bytes: its lowest ones come first now.
    let integer = move |at: usize| u64::from_le_bytes(bytes(at));
    Ok(match (kind, width) {
        (NumberKind::Unsigned(_), 1) => Numbers::U8(order.map(|at| data[at]).collect()),
        (NumberKind::Unsigned(_), 2) => Numbers::U16(order.map(|at| integer(at) as u16).collect()),
        (NumberKind::Unsigned(_), _) => Numbers::F64(order.map(|at| integer(at) as f64).collect()),
        (NumberKind::Signed(_), 1) => Numbers::F32(order.map(|at| f32::from(integer(at) as i8)).collect()),
        (NumberKind::Signed(_), 2) => Numbers::F32(order.map(|at| f32::from(integer(at) as i16)).collect()),
        (NumberKind::Signed(_), 4) => Numbers::F64(order.map(|at| f64::from(integer(at) as i32)).collect()),
        (NumberKind::Signed(_), _) => Numbers::F64(order.map(|at| integer(at) as i64 as f64).collect()),
        (NumberKind::Float, 2) => {
            Numbers::F32(order.map(|at| f16::from_bits(integer(at) as u16).to_f32()).collect())
        }
        (NumberKind::Float, 4) => Numbers::F32(order.map(|at| f32::from_bits(integer(at) as u32)).collect()),
        (NumberKind::Float, _) => Numbers::F64(order.map(|at| f64::from_bits(integer(at))).collect()),
    })
}

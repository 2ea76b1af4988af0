//! An operation's attributes as two lists of numbers: how they cross to a dynamic library.

use super::{DType, Interpolation, Shape};
use crate::{Error, Result};

/// Attributes in the order of the operation's fields. A shape or a list of axes is its length
/// followed by its entries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes {
    /// Counts, axes, flags, types.
    pub integers: Vec<i64>,
    /// Everything else.
    pub reals: Vec<f64>,
}

/// Reads them back in order.
pub(super) struct Reader<'a> {
    integers: &'a [i64],
    reals: &'a [f64],
}

impl<'a> Reader<'a> {
    pub(super) fn new(integers: &'a [i64], reals: &'a [f64]) -> Self {
        Self { integers, reals }
    }

    fn integer(&mut self) -> Result<i64> {
        let (&first, rest) = self.integers.split_first().ok_or_else(short)?;
        self.integers = rest;
        Ok(first)
    }

    fn real(&mut self) -> Result<f64> {
        let (&first, rest) = self.reals.split_first().ok_or_else(short)?;
        self.reals = rest;
        Ok(first)
    }

    pub(super) fn end(self) -> Result<()> {
        if self.integers.is_empty() && self.reals.is_empty() {
            Ok(())
        } else {
            Err(Error::failure("an operation came with more attributes than it has"))
        }
    }
}

fn short() -> Error {
    Error::failure("an operation came with fewer attributes than it has")
}

fn bad(what: &str, value: i64) -> Error {
    Error::failure(format!("an operation's attribute is no {what}: {value}"))
}

/// A type of attribute.
pub(super) trait Attribute: Sized {
    fn write(&self, out: &mut Attributes);
    fn read(from: &mut Reader<'_>) -> Result<Self>;
}

impl Attribute for f64 {
    fn write(&self, out: &mut Attributes) {
        out.reals.push(*self);
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        from.real()
    }
}

impl Attribute for usize {
    fn write(&self, out: &mut Attributes) {
        out.integers.push(*self as i64);
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        let value = from.integer()?;
        value.try_into().map_err(|_| bad("count", value))
    }
}

impl Attribute for u64 {
    fn write(&self, out: &mut Attributes) {
        out.integers.push(self.cast_signed());
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        Ok(from.integer()?.cast_unsigned())
    }
}

impl Attribute for bool {
    fn write(&self, out: &mut Attributes) {
        out.integers.push(i64::from(*self));
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        match from.integer()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(bad("flag", other)),
        }
    }
}

impl Attribute for DType {
    fn write(&self, out: &mut Attributes) {
        out.integers.push(*self as i64);
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        let code = from.integer()?;
        u32::try_from(code).ok().and_then(Self::from_code).ok_or_else(|| bad("type", code))
    }
}

impl Attribute for Interpolation {
    fn write(&self, out: &mut Attributes) {
        out.integers.push(*self as i64);
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        match from.integer()? {
            0 => Ok(Self::Nearest),
            1 => Ok(Self::Bilinear),
            other => Err(bad("way to sample", other)),
        }
    }
}

impl Attribute for Vec<usize> {
    fn write(&self, out: &mut Attributes) {
        self.len().write(out);
        self.iter().for_each(|entry| entry.write(out));
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        let len = usize::read(from)?;
        (0..len).map(|_| usize::read(from)).collect()
    }
}

impl Attribute for Shape {
    fn write(&self, out: &mut Attributes) {
        self.dims().len().write(out);
        self.dims().iter().for_each(|extent| extent.write(out));
    }
    fn read(from: &mut Reader<'_>) -> Result<Self> {
        Vec::read(from).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DType, Interpolation, Op, OpKind, Shape};

    #[test]
    fn operations_survive_the_crossing() {
        let ops = [
            Op::Add,
            Op::Full { shape: Shape::new([2, 3]), value: -0.5, dtype: DType::Bf16 },
            Op::Sum { axes: vec![] },
            Op::Pad { axis: 1, before: 2, after: 0, value: f64::NEG_INFINITY },
            Op::Interpolate { height: 7, width: 9, mode: Interpolation::Bilinear },
            Op::Argsort { axis: 3, descending: true },
            Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.05, factor: 0.65 },
        ];
        for op in ops {
            let sent = op.attributes();
            let kind = OpKind::from_code(op.kind() as u32).expect("a known number");
            assert_eq!(Op::from_attributes(kind, &sent.integers, &sent.reals).expect("whole"), op);
        }
    }

    #[test]
    fn wrong_attributes_are_refused() {
        assert!(Op::from_attributes(OpKind::Add, &[1], &[]).is_err());
        assert!(Op::from_attributes(OpKind::Max, &[], &[]).is_err());
        assert!(Op::from_attributes(OpKind::Max, &[-1], &[]).is_err());
        assert!(Op::from_attributes(OpKind::Sum, &[9, 1], &[]).is_err());
        assert!(Op::from_attributes(OpKind::Cast, &[99], &[]).is_err());
        assert!(OpKind::from_code(9999).is_none());
    }
}

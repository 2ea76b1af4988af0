//! Element types.

use std::fmt;

/// The element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DType {
    /// 32-bit float: weights, norms, losses.
    F32 = 0,
    /// 64-bit float: references and gradient checks.
    F64 = 1,
    /// bfloat16: matrix products under mixed precision.
    Bf16 = 2,
    /// 64-bit signed integer: indices and labels.
    I64 = 3,
    /// Truth values, a byte each on the host.
    Bool = 4,
    /// 8-bit unsigned integer: the pixels of a batch on their way to a device. Such a tensor is cast to a float type,
    /// and takes part in nothing else.
    U8 = 5,
}

impl DType {
    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::Bf16)
    }

    /// The type of a number.
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::F32, Self::F64, Self::Bf16, Self::I64, Self::Bool, Self::U8]
            .into_iter()
            .find(|t| *t as u32 == code)
    }

    /// Bytes per element on the host.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
            Self::Bf16 => 2,
            Self::Bool | Self::U8 => 1,
        }
    }

    /// The name as recipes spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bf16 => "bf16",
            Self::I64 => "i64",
            Self::Bool => "bool",
            Self::U8 => "u8",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

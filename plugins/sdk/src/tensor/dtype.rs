//! Element types.

use std::fmt;

use crate::Result;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum DType {
    /// 32-bit float.
    F32 = 0,
    /// 64-bit float.
    F64 = 1,
    /// bfloat16: tokens under mixed precision.
    Bf16 = 2,
    /// 64-bit signed integer: indices.
    I64 = 3,
    /// Truth values.
    Bool = 4,
}

impl DType {
    /// The type of a number.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        [Self::F32, Self::F64, Self::Bf16, Self::I64, Self::Bool].into_iter().find(|t| *t as u32 == code)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bf16 => "bf16",
            Self::I64 => "i64",
            Self::Bool => "bool",
        })
    }
}

/// A type that elements have on the host.
pub trait Element: Copy + sealed::Sealed {
    /// Its name among the types.
    const DTYPE: DType;

    #[doc(hidden)]
    fn read(count: usize, fill: impl FnOnce(*mut u8, usize) -> Result<()>) -> Result<Vec<Self>>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for bool {}
}

macro_rules! number {
    ($ty:ty, $dtype:ident) => {
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;

            fn read(count: usize, fill: impl FnOnce(*mut u8, usize) -> Result<()>) -> Result<Vec<Self>> {
                let mut values = vec![Self::default(); count];
                fill(values.as_mut_ptr().cast(), count * size_of::<Self>())?;
                Ok(values)
            }
        }
    };
}

number!(f32, F32);
number!(f64, F64);
number!(i64, I64);

impl Element for bool {
    const DTYPE: DType = DType::Bool;

    fn read(count: usize, fill: impl FnOnce(*mut u8, usize) -> Result<()>) -> Result<Vec<Self>> {
        // Through bytes: what the host writes need not be a valid `bool`.
        let mut bytes = vec![0_u8; count];
        fill(bytes.as_mut_ptr(), count)?;
        Ok(bytes.into_iter().map(|byte| byte != 0).collect())
    }
}

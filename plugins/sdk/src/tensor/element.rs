//! Elements in the plug-in's own memory.

use super::DType;
use crate::Result;

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

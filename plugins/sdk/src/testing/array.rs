//! Elements in plain memory.

use crate::tensor::DType;

/// A tensor of the test host: any type's elements as f64, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The type that they stand for.
    pub dtype: DType,
    /// The extents, outermost first.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<f64>,
}

impl Array {
    /// Elements of type f32.
    ///
    /// # Panics
    /// Where they don't fill the shape.
    pub fn new(shape: &[usize], data: impl IntoIterator<Item = f64>) -> Self {
        Self::of(DType::F32, shape, data.into_iter().collect())
    }

    /// Made of each element's position among all.
    pub fn from_fn(shape: &[usize], f: impl FnMut(usize) -> f64) -> Self {
        let count = shape.iter().product();
        Self::new(shape, (0..count).map(f))
    }

    pub(super) fn of(dtype: DType, shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(data.len(), shape.iter().product::<usize>(), "elements for the shape {shape:?}");
        let data = data.into_iter().map(|value| rounded(value, dtype)).collect();
        Self { dtype, shape: shape.to_vec(), data }
    }
}

/// To the nearest value of the type.
fn rounded(value: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(value as f32),
        DType::F64 => value,
        // To the nearest, ties to even; a bfloat16 is an f32's upper half.
        DType::Bf16 => {
            let bits = (value as f32).to_bits();
            let even = 0x7FFF + (bits >> 16 & 1);
            f64::from(f32::from_bits(bits.wrapping_add(even) & 0xFFFF_0000))
        }
        DType::I64 => value.trunc(),
        DType::Bool => f64::from(u8::from(value != 0.0)),
        DType::U8 => value.trunc().clamp(0.0, 255.0),
    }
}

//! What travels at once: buckets of whole tensors.

use std::ops::Range;

use crate::tensor::{DType, HostData, HostSlice, HostSliceMut, HostTensor, Shape};
use crate::{Error, Result};

/// Numbers on their way between ranks.
#[derive(Debug, Clone, PartialEq)]
pub enum Bucket {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
}

/// Bytes in a bucket, unless one tensor has more. Buckets of 8 to 25 MB are good for every engine that was measured; 25 MB
/// is PyTorch DDP's default too.
pub const BUCKET_BYTES: usize = 25 << 20;

impl Bucket {
    /// An empty one for a type.
    ///
    /// # Errors
    /// A type that isn't summed between ranks.
    pub fn empty(dtype: DType, capacity: usize) -> Result<Self> {
        match dtype {
            DType::F32 => Ok(Self::F32(Vec::with_capacity(capacity))),
            DType::F64 => Ok(Self::F64(Vec::with_capacity(capacity))),
            other => {
                Err(Error::failure(format!("gradients of type {other} can't be summed between processes")))
            }
        }
    }

    /// The type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
        }
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Zeros behind the last, or fewer numbers.
    pub fn resize(&mut self, len: usize) {
        match self {
            Self::F32(v) => v.resize(len, 0.0),
            Self::F64(v) => v.resize(len, 0.0),
        }
    }

    /// Some of the numbers.
    pub fn numbers(&self, range: Range<usize>) -> HostSlice<'_> {
        match self {
            Self::F32(v) => HostSlice::F32(&v[range]),
            Self::F64(v) => HostSlice::F64(&v[range]),
        }
    }

    /// Some of the numbers, to be written over.
    pub fn numbers_mut(&mut self, range: Range<usize>) -> HostSliceMut<'_> {
        match self {
            Self::F32(v) => HostSliceMut::F32(&mut v[range]),
            Self::F64(v) => HostSliceMut::F64(&mut v[range]),
        }
    }

    /// Writes zeros over some of the numbers.
    pub fn clear(&mut self, range: Range<usize>) {
        match self {
            Self::F32(v) => v[range].fill(0.0),
            Self::F64(v) => v[range].fill(0.0),
        }
    }

    /// Puts a tensor's elements behind the last.
    ///
    /// # Errors
    /// Another type.
    pub fn push(&mut self, tensor: &HostTensor) -> Result<()> {
        match (self, tensor.data()) {
            (Self::F32(v), HostData::F32(more)) => v.extend_from_slice(more),
            (Self::F64(v), HostData::F64(more)) => v.extend_from_slice(more),
            (bucket, _) => {
                return Err(Error::failure(format!("{} in a bucket of {}", tensor.dtype(), bucket.dtype())));
            }
        }
        Ok(())
    }

    /// Some of the numbers as a tensor.
    ///
    /// # Errors
    /// The range is not as long as the shape is large.
    pub fn tensor(&self, range: Range<usize>, shape: Shape) -> Result<HostTensor> {
        HostTensor::new(
            shape,
            match self {
                Self::F32(v) => HostData::F32(v[range].to_vec()),
                Self::F64(v) => HostData::F64(v[range].to_vec()),
            },
        )
    }

    /// Some of the numbers as a bucket of their own.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        match self {
            Self::F32(v) => Self::F32(v[range].to_vec()),
            Self::F64(v) => Self::F64(v[range].to_vec()),
        }
    }

    /// Writes a part over some of the numbers.
    ///
    /// # Errors
    /// Another type or length.
    pub fn write(&mut self, range: Range<usize>, part: &Self) -> Result<()> {
        match (self, part) {
            (Self::F32(v), Self::F32(part)) if part.len() == range.len() => v[range].copy_from_slice(part),
            (Self::F64(v), Self::F64(part)) if part.len() == range.len() => v[range].copy_from_slice(part),
            _ => return Err(Error::failure("a part that doesn't fit its bucket")),
        }
        Ok(())
    }

    /// Adds `part` of another bucket to the first numbers of this one, one by one.
    pub(super) fn add(&mut self, other: &Self, part: Range<usize>) {
        match (self, other) {
            (Self::F32(v), Self::F32(w)) => v.iter_mut().zip(&w[part]).for_each(|(a, b)| *a += b),
            (Self::F64(v), Self::F64(w)) => v.iter_mut().zip(&w[part]).for_each(|(a, b)| *a += b),
            _ => {}
        }
    }
}

/// Which tensors travel together. It depends on the list of tensors alone, never on what is ready first: engines add in an
/// order that goes by an element's place in its bucket, so that the plan is part of the bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPlan {
    /// The tensors' numbers, bucket by bucket.
    pub buckets: Vec<Vec<usize>>,
}

impl BucketPlan {
    /// Whole tensors, the last ones first, as gradients become known; `bytes` at most in a bucket, but for a tensor that is
    /// larger by itself.
    pub fn new(sizes: &[usize], order: impl IntoIterator<Item = usize>, bytes: usize) -> Self {
        let (mut buckets, mut filled) = (vec![], 0);
        for index in order {
            let size = sizes[index];
            if buckets.is_empty() || filled + size > bytes {
                buckets.push(vec![]);
                filled = 0;
            }
            filled += size;
            buckets.last_mut().expect("there is one").push(index);
        }
        Self { buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::HostTensor;

    #[test]
    fn buckets_hold_whole_tensors_from_the_last_to_the_first() {
        let plan = BucketPlan::new(&[4, 3, 30, 2, 5], (0..5).rev(), 10);
        assert_eq!(plan.buckets, [vec![4, 3], vec![2], vec![1, 0]]);
    }

    #[test]
    fn what_goes_in_comes_out() {
        let mut bucket = Bucket::empty(DType::F32, 0).unwrap();
        bucket.resize(6);
        let tensor = HostTensor::f32([2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        bucket.numbers_mut(0..4).copy_from(&tensor).unwrap();
        assert_eq!(bucket.numbers(0..4).to_data(), *tensor.data());
        assert!(bucket.numbers_mut(0..4).copy_from(&HostTensor::i64([4], vec![1; 4]).unwrap()).is_err());
        assert!(bucket.numbers_mut(0..3).copy_from(&tensor).is_err());
        bucket.write(4..6, &Bucket::F32(vec![7.0, 8.0])).unwrap();
        assert_eq!(bucket.part(3..6), Bucket::F32(vec![4.0, 7.0, 8.0]));
        bucket.clear(0..5);
        assert_eq!(bucket, Bucket::F32(vec![0.0, 0.0, 0.0, 0.0, 0.0, 8.0]));
    }
}

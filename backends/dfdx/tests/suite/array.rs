//! A plain array of f64 with NumPy's meaning, and the way from it to tensors and back.

use std::sync::Arc;

use palimpsest_core::backend::Device;
use palimpsest_core::{DType, HostTensor, Place, Shape, Tensor};
use palimpsest_dfdx::Dfdx;

/// Where the tests' tensors live.
pub(crate) fn place() -> Place {
    Place { backend: Arc::new(Dfdx::new()), device: Device::Cpu }
}

/// Elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

impl Array {
    pub(crate) fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape: shape.to_vec(), data }
    }

    /// The element at each index.
    pub(crate) fn build(shape: &[usize], mut at: impl FnMut(&[usize]) -> f64) -> Self {
        let count = shape.iter().product();
        let mut index = vec![0; shape.len()];
        let mut data = Vec::with_capacity(count);
        for _ in 0..count {
            data.push(at(&index));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Self { shape: shape.to_vec(), data }
    }

    /// Reproducible values in (-2, 2) that don't repeat.
    pub(crate) fn random(shape: &[usize], seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
        Self::build(shape, |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 11) as f64 / (1u64 << 53) as f64;
            4.0 * unit - 2.0
        })
    }

    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }

    /// The element at an index, by NumPy's broadcasting.
    pub(crate) fn at(&self, index: &[usize]) -> f64 {
        let skip = index.len() - self.shape.len();
        let mut flat = 0;
        for (i, &extent) in self.shape.iter().enumerate() {
            flat = flat * extent + if extent == 1 { 0 } else { index[skip + i] };
        }
        self.data[flat]
    }

    pub(crate) fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let shape = Shape::from(self.shape.as_slice()).broadcast(&other.shape.as_slice().into()).unwrap();
        Self::build(&shape, |i| f(self.at(i), other.at(i)))
    }

    /// Folds axes to extent 1.
    pub(crate) fn sum(&self, axes: &[usize]) -> Self {
        let mut shape = self.shape.clone();
        for &axis in axes {
            shape[axis] = 1;
        }
        let mut out = Self::build(&shape, |_| 0.0);
        let strides = Shape::from(shape.as_slice()).strides();
        let _ = Self::build(&self.shape, |i| {
            let flat: usize =
                (0..shape.len()).map(|a| if shape[a] == 1 { 0 } else { i[a] * strides[a] }).sum();
            out.data[flat] += self.at(i);
            0.0
        });
        out
    }

    pub(crate) fn tensor(&self, place: &Place, dtype: DType) -> Tensor {
        let host =
            HostTensor::new(self.shape.as_slice(), palimpsest_core::tensor::HostData::F64(self.data.clone()));
        place.upload(host.unwrap().to_float(dtype).unwrap()).unwrap()
    }

    /// The same values in a tensor whose memory is laid out in the reverse order of axes.
    pub(crate) fn strided(&self, place: &Place, dtype: DType) -> Tensor {
        let rank = self.shape.len();
        let reversed: Vec<usize> = (0..rank).rev().collect();
        let shape: Vec<usize> = reversed.iter().map(|&a| self.shape[a]).collect();
        let turned = Self::build(&shape, |i| {
            let index: Vec<usize> = i.iter().rev().copied().collect();
            self.at(&index)
        });
        turned.tensor(place, dtype).permute(&reversed).unwrap()
    }

    pub(crate) fn of(tensor: &Tensor) -> Self {
        Self { shape: tensor.shape().to_vec(), data: tensor.download().unwrap().into_f64() }
    }

    /// Fails where the values are further apart than `tolerance`, relative above 1.
    #[track_caller]
    pub(crate) fn near(&self, other: &Self, tolerance: f64, what: &str) {
        assert_eq!(self.shape, other.shape, "{what}: shapes");
        for (i, (a, b)) in self.data.iter().zip(&other.data).enumerate() {
            let same = a == b || (a.is_nan() && b.is_nan());
            let error = (a - b).abs() / b.abs().max(1.0);
            assert!(same || error <= tolerance, "{what}: element {i} is {a}, expected {b} (error {error:e})");
        }
    }
}

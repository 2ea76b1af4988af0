//! A plain array of f64 with NumPy's meaning: what the references compute with.

use palimpsest_core::tensor::HostData;
use palimpsest_core::{DType, HostTensor, Result, Shape};

/// Elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<f64>,
}

impl Array {
    /// The element at each index.
    pub fn build(shape: &[usize], at: impl FnMut(&[usize]) -> f64) -> Self {
        Self { shape: shape.to_vec(), data: indices(shape).iter().map(Vec::as_slice).map(at).collect() }
    }

    /// One value everywhere.
    pub fn filled(shape: &[usize], value: f64) -> Self {
        Self { shape: shape.to_vec(), data: vec![value; shape.iter().product()] }
    }

    /// Reproducible values in (-2, 2) that don't repeat.
    pub fn random(shape: &[usize], seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
        let data = (0..shape.iter().product()).map(|_| {
            // Knuth's linear congruential generator; its upper bits are good enough for test data.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            4.0 * ((state >> 11) as f64 / (1u64 << 53) as f64) - 2.0
        });
        Self { shape: shape.to_vec(), data: data.collect() }
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// A function of each element.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }

    /// The element at an index of the same rank or a higher one, broadcast.
    pub fn at(&self, index: &[usize]) -> f64 {
        let skip = index.len() - self.rank();
        let step = |flat: usize, (axis, &extent): (usize, &usize)| {
            flat * extent + if extent == 1 { 0 } else { index[skip + axis] }
        };
        self.data[self.shape.iter().enumerate().fold(0, step)]
    }

    /// The same elements in another shape.
    pub fn reshape(&self, shape: &[usize]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), self.data.len());
        Self { shape: shape.to_vec(), data: self.data.clone() }
    }

    /// A function of each pair, broadcast.
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self::build(&broadcast(&[self, other]), |i| f(self.at(i), other.at(i)))
    }

    /// Folds axes to extent 1.
    pub fn sum(&self, axes: &[usize]) -> Self {
        let shape: Vec<usize> =
            self.shape.iter().enumerate().map(|(a, &n)| if axes.contains(&a) { 1 } else { n }).collect();
        let strides = Shape::from(shape.as_slice()).strides();
        let mut out = Self::filled(&shape, 0.0);
        for (index, value) in indices(&self.shape).iter().zip(&self.data) {
            let kept = index.iter().zip(&strides).enumerate().filter(|(a, _)| !axes.contains(a));
            out.data[kept.map(|(_, (i, stride))| i * stride).sum::<usize>()] += value;
        }
        out
    }

    /// The values as `dtype` holds them.
    pub fn rounded(&self, dtype: DType) -> Self {
        let data = match dtype {
            DType::F64 => return self.clone(),
            DType::F32 | DType::Bf16 => match self.host(dtype) {
                Ok(host) => host.into_f64(),
                Err(error) => unreachable!("a float type: {error}"),
            },
            DType::I64 => self.data.iter().map(|x| x.trunc()).collect(),
            DType::Bool => self.data.iter().map(|&x| f64::from(u8::from(x != 0.0))).collect(),
            DType::U8 => self.data.iter().map(|x| x.trunc().clamp(0.0, 255.0)).collect(),
        };
        Self { shape: self.shape.clone(), data }
    }

    /// The elements as a host tensor.
    ///
    /// # Errors
    /// The shape has another number of elements.
    pub fn host(&self, dtype: DType) -> Result<HostTensor> {
        let shape = self.shape.as_slice();
        match dtype {
            DType::F32 | DType::F64 | DType::Bf16 => {
                HostTensor::new(shape, HostData::F64(self.data.clone()))?.to_float(dtype)
            }
            DType::I64 => HostTensor::i64(shape, self.data.iter().map(|&x| x as i64).collect()),
            DType::Bool => {
                HostTensor::new(shape, HostData::Bool(self.data.iter().map(|&x| x != 0.0).collect()))
            }
            DType::U8 => HostTensor::new(shape, HostData::U8(self.data.iter().map(|&x| x as u8).collect())),
        }
    }

    /// A host tensor's elements.
    pub fn of(host: HostTensor) -> Self {
        Self { shape: host.shape().to_vec(), data: host.into_f64() }
    }

    /// Whether all elements are the same, NaN being the same as NaN.
    pub fn same(&self, other: &Self) -> bool {
        let equal = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
        self.shape == other.shape && self.data.iter().zip(&other.data).all(equal)
    }
}

/// Every index of a shape, in row-major order.
pub fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &extent in shape {
        all = all
            .into_iter()
            .flat_map(|index: Vec<usize>| (0..extent).map(move |i| [index.as_slice(), &[i]].concat()))
            .collect();
    }
    all
}

/// The shape that all broadcast to. Core has refused those that don't.
pub(crate) fn broadcast(arrays: &[&Array]) -> Vec<usize> {
    let shapes = arrays.iter().map(|a| Shape::from(a.shape.as_slice()));
    shapes.fold(Shape::default(), |all, shape| all.broadcast(&shape).unwrap_or(all)).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_in_row_major_order() {
        assert_eq!(indices(&[2, 2]), [[0, 0], [0, 1], [1, 0], [1, 1]]);
        assert_eq!(indices(&[]), [Vec::<usize>::new()]);
        assert!(indices(&[2, 0]).is_empty());
    }

    #[test]
    fn sums_and_broadcasts() {
        let x = Array { shape: vec![2, 3], data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        assert_eq!(x.sum(&[0]), Array { shape: vec![1, 3], data: vec![5.0, 7.0, 9.0] });
        assert_eq!(x.sum(&[0, 1]).data, [21.0]);
        let column = Array { shape: vec![2, 1], data: vec![10.0, 20.0] };
        assert_eq!(x.zip(&column, |a, b| a + b).data, [11.0, 12.0, 13.0, 24.0, 25.0, 26.0]);
    }
}

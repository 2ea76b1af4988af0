//! Operations by dfdx alone, for devices whose memory is not the host's: a copy there and back costs
//! more than all else. On the host this crate's own loops are faster.

use dfdx::shapes::Axis;
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::{MaxTo, ReshapeTo, TryConcatAlong};

use crate::dense::Dense;
use crate::engine::Engine;
use crate::real::Real;
use crate::reduce::Around;

/// What lies before an axis, the axis, what lies behind.
type Lines<E, H> = Tensor<(usize, usize, usize), E, H>;

fn lines<E: Real, H: Engine<E>>(x: Dense<E, H>, axis: usize) -> Lines<E, H> {
    let Around { outer, len, inner } = Around::new(x.shape(), axis);
    x.into_flat().reshape_like(&(outer, len, inner))
}

impl<E: Real, H: Engine<E>> Dense<E, H> {
    /// `len` entries of an axis from `start` on.
    pub(crate) fn narrow_there(self, axis: usize, start: usize, len: usize) -> Self {
        let mut out = self.shape().to_vec();
        out[axis] = len;
        let count: usize = out.iter().product();
        if count == 0 {
            return self.beside(Vec::new(), out);
        }
        let Around { outer, inner, .. } = Around::new(self.shape(), axis);
        let part = lines(self, axis).slice((0..outer, start..start + len, 0..inner));
        Self::new(part.reshape_like(&(count,)), out.into())
    }

    /// Entries of `value` before and behind an axis.
    pub(crate) fn pad_there(self, axis: usize, before: usize, after: usize, value: f64) -> Self {
        let border = |len: usize| {
            let mut shape = self.shape().to_vec();
            shape[axis] = len;
            Self::full(&self.device(), shape, value)
        };
        let (first, last) = (border(before), border(after));
        Self::joined_there([first, self, last], axis)
    }

    /// One after another along an axis.
    pub(crate) fn joined_there(parts: impl IntoIterator<Item = Self>, axis: usize) -> Self {
        let mut parts = parts.into_iter();
        let first = parts.next().expect("core joins one tensor or more");
        parts.fold(first, |sum, part| {
            let mut out = sum.shape().to_vec();
            out[axis] += part.shape()[axis];
            match (sum.count(), part.count()) {
                (_, 0) => sum.reshape(out),
                (0, _) => part.reshape(out),
                _ => {
                    let count = out.iter().product::<usize>();
                    let both = (lines(sum, axis), lines(part, axis)).concat_along(Axis::<1>);
                    Self::new(both.reshape_like(&(count,)), out.into())
                }
            }
        })
    }

    /// The largest value along an axis that has entries.
    pub(crate) fn max_there(self, axis: usize) -> Self {
        let mut out = self.shape().to_vec();
        out[axis] = 1;
        if self.count() == 0 {
            return self.beside(Vec::new(), out);
        }
        let count = out.iter().product::<usize>();
        let largest = lines(self, axis).max::<(usize, usize), Axis<1>>();
        Self::new(largest.reshape_like(&(count,)), out.into())
    }

    /// The error function. dfdx has it within its GELU alone: gelu(z) = z (1 + erf(z / sqrt 2)) / 2.
    pub(crate) fn erf_there(self) -> Self {
        /// Keeps z off 0. It changes no z above 1e-22, and below erf is 0 either way.
        const OFF: f64 = 1e-30;
        self.map(|x| {
            let z = x * E::of(std::f64::consts::SQRT_2) + E::of(OFF);
            (z.clone().accurate_gelu() / z) * E::of(2.0) - E::of(1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use dfdx::tensor::Cpu;

    use super::*;

    fn sample(shape: &[usize]) -> Dense<f64, Cpu> {
        let count = shape.iter().product::<usize>();
        let values = (0..count).map(|i| ((i * 7919 + 13) % 101) as f64 / 17.0 - 3.0).collect();
        Dense::from_vec(&Cpu::seed_from_u64(0), values, shape)
    }

    #[track_caller]
    fn same(got: &Dense<f64, Cpu>, want: &Dense<f64, Cpu>) {
        assert_eq!(got.shape(), want.shape());
        assert_eq!(got.to_vec(), want.to_vec());
    }

    // dfdx's operations on the processor stand in for those on another device: it is the use of them
    // that is tried.
    #[test]
    fn parts_and_borders_are_those_of_the_host() {
        for shape in [&[5][..], &[3, 4], &[2, 3, 4, 5], &[2, 0, 3]] {
            for axis in 0..shape.len() {
                for start in 0..=shape[axis] {
                    for len in 0..=shape[axis] - start {
                        let part = sample(shape).narrow(axis, start, len);
                        same(&sample(shape).narrow_there(axis, start, len), &part);
                    }
                    for value in [0.0, -1.5] {
                        let padded = sample(shape).pad(axis, start, 2, value);
                        same(&sample(shape).pad_there(axis, start, 2, value), &padded);
                    }
                }
            }
        }
    }

    #[test]
    fn joined_parts_are_the_whole() {
        for axis in 0..3 {
            let whole = sample(&[4, 5, 6]);
            let parts = [(0, 1), (1, 0), (1, 3)].map(|(start, len)| whole.clone().narrow(axis, start, len));
            same(&Dense::joined_there(parts, axis), &whole.narrow(axis, 0, 4));
        }
    }

    #[test]
    fn the_largest_is_the_hosts() {
        for (shape, axis) in [(&[3, 4, 5][..], 0), (&[3, 4, 5], 1), (&[3, 4, 5], 2), (&[0, 4], 1), (&[7], 0)]
        {
            let x = sample(shape);
            let elements = x.to_vec();
            let around = Around::new(shape, axis);
            let best = crate::reduce::first_largest(&elements, around);
            let want: Vec<f64> =
                best.iter().enumerate().map(|(line, &i)| elements[around.at(line, i)]).collect();
            assert_eq!(x.max_there(axis).to_vec(), want);
        }
    }

    #[test]
    fn the_error_function_is_libms() {
        let values: Vec<f64> =
            (-800..=800).map(|i| f64::from(i) / 100.0).chain([0.0, -0.0, 1e-31, 1e-8]).collect();
        let wide = Dense::from_vec(&Cpu::seed_from_u64(0), values.clone(), [values.len()]).erf_there();
        let narrow: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        let narrow = Dense::from_vec(&Cpu::seed_from_u64(0), narrow, [values.len()]).erf_there();
        for ((x, wide), narrow) in values.iter().zip(wide.to_vec()).zip(narrow.to_vec()) {
            // A few roundings of values up to 2.
            assert!((wide - libm::erf(*x)).abs() < 2e-15, "{x}: {wide}");
            assert!((f64::from(narrow) - libm::erf(f64::from(*x as f32))).abs() < 1e-6, "{x}: {narrow}");
        }
    }
}

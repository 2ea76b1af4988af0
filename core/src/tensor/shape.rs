//! Shapes and NumPy broadcasting.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

use crate::{Error, Result};

/// The extents of a tensor, outermost first. A scalar has none.
#[derive(Clone)]
pub struct Shape(Extents);

/// Shapes are made, copied and compared at every operation: few extents need no allocation.
#[derive(Clone)]
enum Extents {
    Few(u8, [usize; FEW]),
    Many(Vec<usize>),
}

const FEW: usize = 6;

impl Shape {
    /// A shape with these extents.
    pub fn new(extents: impl Into<Vec<usize>>) -> Self {
        extents.into().into()
    }

    /// The number of elements.
    pub fn count(&self) -> usize {
        self.iter().product()
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.len()
    }

    /// The extents.
    pub fn dims(&self) -> &[usize] {
        self
    }

    /// The extents as an array, for destructuring.
    ///
    /// # Errors
    /// Another rank.
    pub fn array<const N: usize>(&self) -> Result<[usize; N]> {
        self.dims().try_into().map_err(|_| Error::failure(format!("expected rank {N}, got shape {self}")))
    }

    /// The shape that both broadcast to (NumPy's rules), or `None`.
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let rank = self.rank().max(other.rank());
        let extent = |shape: &Self, i: usize| (i + shape.rank()).checked_sub(rank).map_or(1, |j| shape[j]);
        let both = |i| match (extent(self, i), extent(other, i)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        };
        let mut shape = if self.rank() == rank { self.clone() } else { other.clone() };
        for (i, extent) in shape.iter_mut().enumerate() {
            *extent = both(i)?;
        }
        Some(shape)
    }

    /// Row-major strides, in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for i in (1..self.rank()).rev() {
            strides[i - 1] = strides[i] * self[i];
        }
        strides
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self(Extents::Few(0, [0; FEW]))
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self.dims() == other.dims()
    }
}

impl Eq for Shape {}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.dims().hash(state);
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        match &self.0 {
            Extents::Few(rank, extents) => &extents[..usize::from(*rank)],
            Extents::Many(extents) => extents,
        }
    }
}

impl DerefMut for Shape {
    fn deref_mut(&mut self) -> &mut [usize] {
        match &mut self.0 {
            Extents::Few(rank, extents) => &mut extents[..usize::from(*rank)],
            Extents::Many(extents) => extents,
        }
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(extents: I) -> Self {
        let mut few = [0; FEW];
        let mut extents = extents.into_iter();
        for rank in 0..FEW {
            match extents.next() {
                Some(extent) => few[rank] = extent,
                None => return Self(Extents::Few(rank as u8, few)),
            }
        }
        match extents.next() {
            Some(next) => Self(Extents::Many(few.into_iter().chain([next]).chain(extents).collect())),
            None => Self(Extents::Few(FEW as u8, few)),
        }
    }
}

impl From<Vec<usize>> for Shape {
    fn from(extents: Vec<usize>) -> Self {
        extents.into_iter().collect()
    }
}

impl From<&[usize]> for Shape {
    fn from(extents: &[usize]) -> Self {
        extents.iter().copied().collect()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(extents: [usize; N]) -> Self {
        extents.into_iter().collect()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_extents_are_alike() {
        for rank in 0..9 {
            let extents: Vec<usize> = (1..=rank).collect();
            let shape = Shape::from(extents.as_slice());
            assert_eq!((shape.dims(), shape.rank()), (extents.as_slice(), rank));
            assert_eq!(shape, Shape::new(extents.clone()));
            let longer: Shape = extents.iter().copied().chain([1]).collect();
            assert_ne!(shape, longer);
            assert_eq!(shape.count(), longer.count());
            let front: Shape = std::iter::once(1).chain(extents).collect();
            assert_eq!(front.broadcast(&shape), Some(front));
        }
    }

    #[test]
    fn broadcasting_follows_numpy() {
        let shape = |s: &[usize]| Shape::from(s);
        assert_eq!(shape(&[4, 1, 3]).broadcast(&shape(&[5, 1])), Some(shape(&[4, 5, 3])));
        assert_eq!(shape(&[]).broadcast(&shape(&[2])), Some(shape(&[2])));
        assert_eq!(shape(&[0, 3]).broadcast(&shape(&[1, 3])), Some(shape(&[0, 3])));
        assert_eq!(shape(&[2]).broadcast(&shape(&[3])), None);
    }
}

//! Broadcasting and its transpose. Neighbouring axes that are broadcast alike are folded into one,
//! so that any rank gets along with the few that dfdx types.

use dfdx::shapes::{Axes2, Axes3, Axis};
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::{BroadcastTo, ReshapeTo};
use palimpsest_core::Shape;

use crate::dense::{Dense, Flat};
use crate::engine::Engine;
use crate::real::Real;

/// The rank that elementwise operations with broadcasting run at.
pub(crate) type Rank4 = (usize, usize, usize, usize);
type Folded<E, H> = Tensor<Rank4, E, H>;

/// Folded extents, and for each whether operand `i` has it.
struct Fold<const N: usize> {
    extents: Vec<usize>,
    has: Vec<[bool; N]>,
}

impl<const N: usize> Fold<N> {
    /// Folds the axes of `out`, to which all operands broadcast.
    fn new(out: &Shape, operands: [&Shape; N]) -> Self {
        let mut fold = Self { extents: Vec::new(), has: Vec::new() };
        for (axis, &extent) in out.iter().enumerate() {
            if extent == 1 {
                continue;
            }
            let has = operands.map(|shape| {
                (axis + shape.rank()).checked_sub(out.rank()).is_some_and(|own| shape[own] == extent)
            });
            match (fold.extents.last_mut(), fold.has.last()) {
                (Some(last), Some(before)) if *before == has => *last *= extent,
                _ => {
                    fold.extents.push(extent);
                    fold.has.push(has);
                }
            }
        }
        fold
    }

    /// Four extents, with 1 in front; `None` where more are left.
    fn rank4(&self) -> Option<(Rank4, [[bool; N]; 4])> {
        let spare = 4usize.checked_sub(self.extents.len())?;
        let extent = |i: usize| i.checked_sub(spare).map_or(1, |i| self.extents[i]);
        let has = |i: usize| i.checked_sub(spare).map_or([true; N], |i| self.has[i]);
        Some(((extent(0), extent(1), extent(2), extent(3)), [has(0), has(1), has(2), has(3)]))
    }
}

/// A view of `x`, which has some of the extents, with all of them.
fn view<E: Real, H: Engine<E>>(x: Flat<E, H>, all: Rank4, has: [bool; 4]) -> Folded<E, H> {
    let (a, b, c, d) = all;
    // dfdx names broadcast axes by types.
    macro_rules! insert {
        ($kept:expr, $axes:ty) => {
            x.reshape_like(&$kept).broadcast_like::<Rank4, $axes>(&all)
        };
    }
    match has {
        [true, true, true, true] => x.reshape_like(&all),
        [false, true, true, true] => insert!((b, c, d), Axis<0>),
        [true, false, true, true] => insert!((a, c, d), Axis<1>),
        [true, true, false, true] => insert!((a, b, d), Axis<2>),
        [true, true, true, false] => insert!((a, b, c), Axis<3>),
        [false, false, true, true] => insert!((c, d), Axes2<0, 1>),
        [false, true, false, true] => insert!((b, d), Axes2<0, 2>),
        [false, true, true, false] => insert!((b, c), Axes2<0, 3>),
        [true, false, false, true] => insert!((a, d), Axes2<1, 2>),
        [true, false, true, false] => insert!((a, c), Axes2<1, 3>),
        [true, true, false, false] => insert!((a, b), Axes2<2, 3>),
        [false, false, false, true] => insert!((d,), Axes3<0, 1, 2>),
        [false, false, true, false] => insert!((c,), Axes3<0, 1, 3>),
        [false, true, false, false] => insert!((b,), Axes3<0, 2, 3>),
        [true, false, false, false] => insert!((a,), Axes3<1, 2, 3>),
        [false, false, false, false] => {
            x.reshape_like(&()).broadcast_like::<Rank4, dfdx::shapes::Axes4<0, 1, 2, 3>>(&all)
        }
    }
}

/// The shape that both broadcast to.
pub(crate) fn common(a: &Shape, b: &Shape) -> Shape {
    a.broadcast(b).unwrap_or_else(|| panic!("{a} and {b} don't broadcast"))
}

impl<E: Real, H: Engine<E>> Dense<E, H> {
    /// Combines with another tensor, broadcast: by `same` where the shapes are equal, by `folded`
    /// otherwise.
    pub(crate) fn combine(
        self,
        other: Self,
        same: impl FnOnce(Flat<E, H>, Flat<E, H>) -> Flat<E, H>,
        folded: impl FnOnce(Folded<E, H>, Folded<E, H>) -> Folded<E, H>,
    ) -> Self {
        if self.shape() == other.shape() {
            return self.map(|a| same(a, other.into_flat()));
        }
        let out = common(self.shape(), other.shape());
        if out.count() == 0 {
            return self.beside(Vec::new(), out);
        }
        let Some((all, has)) = Fold::new(&out, [self.shape(), other.shape()]).rank4() else {
            let (a, b) = (self.expand(&out), other.expand(&out));
            return a.combine(b, same, folded);
        };
        let a = view(self.into_flat(), all, has.map(|has| has[0]));
        let b = view(other.into_flat(), all, has.map(|has| has[1]));
        let count = out.count();
        Self::new(folded(a, b).reshape_like(&(count,)), out)
    }

    /// Repeats extents of 1 to fill a shape.
    pub(crate) fn expand(self, out: &Shape) -> Self {
        if self.shape() == out {
            return self;
        }
        let count = out.count();
        if count == 0 || count == self.count() {
            let flat = if count == 0 { self.beside(Vec::new(), [0]) } else { self };
            return flat.reshape(out.clone());
        }
        match Fold::new(out, [self.shape()]).rank4() {
            Some((all, has)) => {
                let wide = view(self.into_flat(), all, has.map(|has| has[0]));
                Self::new(wide.reshape_like(&(count,)), out.clone())
            }
            None => self.expand_in_steps(out),
        }
    }

    /// Fills one axis after another: for patterns that don't fold to rank 4.
    fn expand_in_steps(self, out: &Shape) -> Self {
        let mut shape = vec![1; out.rank() - self.shape().rank()];
        shape.extend_from_slice(self.shape());
        let mut x = self.reshape(shape.clone());
        for axis in 0..shape.len() {
            shape[axis] = out[axis];
            x = x.expand(&Shape::from(shape.as_slice()));
        }
        x
    }

    /// The transpose of [`Dense::expand`]: sums what was repeated from `shape`.
    pub(crate) fn sum_to(self, shape: &Shape) -> Self {
        if self.shape() == shape {
            return self;
        }
        let spare = self.shape().rank() - shape.rank();
        let axes: Vec<usize> = (0..self.shape().rank())
            .filter(|&axis| axis < spare || shape[axis - spare] != self.shape()[axis])
            .collect();
        self.sum(&axes).reshape(shape.clone())
    }
}

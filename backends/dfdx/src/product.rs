//! Matrix products and convolution.

use dfdx::shapes::Axes3;
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::{PermuteTo, ReshapeTo, TryMatMul};
use palimpsest_core::Shape;

use crate::dense::Dense;
use crate::engine::Engine;
use crate::real::Real;
use crate::value::Var;

/// A batch of dfdx matrices.
type Batch<E, H> = Tensor<(usize, usize, usize), E, H>;

/// A factor of a product: matrices [.., rows, columns], as they are or each transposed.
struct Factor<E: Real, H: Engine<E>> {
    matrices: Dense<E, H>,
    transposed: bool,
}

fn plain<E: Real, H: Engine<E>>(matrices: Dense<E, H>) -> Factor<E, H> {
    Factor { matrices, transposed: false }
}

fn transposed<E: Real, H: Engine<E>>(matrices: Dense<E, H>) -> Factor<E, H> {
    Factor { matrices, transposed: true }
}

impl<E: Real, H: Engine<E>> Factor<E, H> {
    /// Rows and columns of the matrices.
    fn sides(&self) -> (usize, usize) {
        let shape = self.matrices.shape();
        let (rows, columns) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
        if self.transposed { (columns, rows) } else { (rows, columns) }
    }

    /// The matrices as one batch.
    fn batch(self) -> Batch<E, H> {
        let shape = self.matrices.shape();
        let rank = shape.rank();
        let shape = (shape[..rank - 2].iter().product(), shape[rank - 2], shape[rank - 1]);
        let x = self.matrices.into_flat().reshape_like(&shape);
        if self.transposed { x.permute::<(usize, usize, usize), Axes3<0, 2, 1>>() } else { x }
    }
}

/// [.., m, k] x [.., k, n] of equal batch extents.
fn multiply<E: Real, H: Engine<E>>(a: Factor<E, H>, b: Factor<E, H>) -> Dense<E, H> {
    let left = a.matrices.shape();
    let mut shape = left[..left.rank() - 2].to_vec();
    shape.extend([a.sides().0, b.sides().1]);
    let count = shape.iter().product::<usize>();
    if count == 0 || a.matrices.count() == 0 {
        return Dense::full(&a.matrices.device(), shape, 0.0);
    }
    let out = a.batch().matmul(b.batch());
    Dense::new(out.reshape_like(&(count,)), shape.into())
}

/// [.., m, k] x [.., k, n], batch extents broadcast.
pub(crate) fn matmul<E: Real, H: Engine<E>>(a: Var<E, H>, b: Var<E, H>) -> Var<E, H> {
    let nodes = [a.node, b.node];
    let (a, b) = (a.dense, b.dense);
    let (left, right) = (a.shape().clone(), b.shape().clone());
    let mut out = left[..left.rank() - 2].to_vec();
    if right.rank() == 2 {
        // One matrix for all rows: a single product.
        let a = a.reshape([left[..left.rank() - 1].iter().product(), left[left.rank() - 1]]);
        let y = multiply(plain(a.clone()), plain(b.clone()));
        out.extend([left[left.rank() - 2], right[1]]);
        return Var::recorded(nodes, y.reshape(out), move |dy, wanted| {
            let dy = dy.reshape([a.shape()[0], right[1]]);
            let da = wanted[0].then(|| multiply(plain(dy.clone()), transposed(b)).reshape(left));
            [da, wanted[1].then(|| multiply(transposed(a), plain(dy)))]
        });
    }
    let common = crate::fold::common(&out.into(), &Shape::from(&right[..right.rank() - 2]));
    let full = |x: Dense<E, H>| {
        let mut shape = common.to_vec();
        shape.extend_from_slice(&x.shape()[x.shape().rank() - 2..]);
        x.expand(&shape.into())
    };
    let (a, b) = (full(a), full(b));
    let y = multiply(plain(a.clone()), plain(b.clone()));
    Var::recorded(nodes, y, move |dy, wanted| {
        let da = wanted[0].then(|| multiply(plain(dy.clone()), transposed(b)).sum_to(&left));
        [da, wanted[1].then(|| multiply(transposed(a), plain(dy)).sum_to(&right))]
    })
}

/// A convolution's sizes, and where its patches lie.
#[derive(Clone, Copy)]
struct Patches {
    batch: usize,
    channels: usize,
    height: usize,
    width: usize,
    kernel: [usize; 2],
    stride: usize,
    padding: usize,
    out: [usize; 2],
}

impl Patches {
    /// Values per patch.
    fn len(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Calls `f` with the place of each value of a patch in the patches and in the image.
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        let mut at = 0;
        for b in 0..self.batch {
            for y in 0..self.out[0] {
                for x in 0..self.out[1] {
                    for c in 0..self.channels {
                        for dy in 0..self.kernel[0] {
                            for dx in 0..self.kernel[1] {
                                let row = (y * self.stride + dy).wrapping_sub(self.padding);
                                let column = (x * self.stride + dx).wrapping_sub(self.padding);
                                if row < self.height && column < self.width {
                                    let plane = b * self.channels + c;
                                    f(at, (plane * self.height + row) * self.width + column);
                                }
                                at += 1;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// (x [b, c, h, w], weight [o, c, kh, kw]) -> [b, o, h', w']: each patch becomes a row of a product.
pub(crate) fn conv2d<E: Real, H: Engine<E>>(
    x: Var<E, H>,
    weight: Var<E, H>,
    stride: usize,
    padding: usize,
) -> Var<E, H> {
    let nodes = [x.node, weight.node];
    let (x, weight) = (x.dense, weight.dense);
    let (image, kernel) = (x.shape().clone(), weight.shape().clone());
    let out = |n: usize, k: usize| (n + 2 * padding - k) / stride + 1;
    let patches = Patches {
        batch: image[0],
        channels: image[1],
        height: image[2],
        width: image[3],
        kernel: [kernel[2], kernel[3]],
        stride,
        padding,
        out: [out(image[2], kernel[2]), out(image[3], kernel[3])],
    };
    let [h, w] = patches.out;
    let rows = image[0] * h * w;
    let source = x.to_vec();
    let mut values = vec![E::ZERO; rows * patches.len()];
    patches.each(|to, from| values[to] = source[from]);
    let values = x.beside(values, [rows, patches.len()]);
    let weight = weight.reshape([kernel[0], patches.len()]);
    let y = multiply(plain(values.clone()), transposed(weight.clone()));
    let y = y.reshape([image[0], h, w, kernel[0]]).permute(&[0, 3, 1, 2]);
    Var::recorded(nodes, y, move |dy, wanted| {
        let dy = dy.permute(&[0, 2, 3, 1]).reshape([rows, kernel[0]]);
        let dx = wanted[0].then(|| {
            let shares = multiply(plain(dy.clone()), plain(weight)).to_vec();
            let mut dx = vec![E::ZERO; image.count()];
            patches.each(|from, to| dx[to] += shares[from]);
            dy.beside(dx, image)
        });
        [dx, wanted[1].then(|| multiply(transposed(dy), plain(values)).reshape(kernel))]
    })
}

//! Between tensors and slices: typed views, output buffers, and the walk over pieces in parallel.

use burn_backend::{Element as _, Shape, TensorData};
use burn_flex::FlexTensor;
use palimpsest_kernels::piece;

use super::fork_join;
use super::real::Factor;

/// A buffer whose elements hold nothing yet.
///
/// # Safety
/// Every element must be written before it is read.
pub(crate) unsafe fn unwritten<T: bytemuck::Pod>(count: usize) -> Vec<T> {
    let mut buffer = Vec::with_capacity(count);
    // SAFETY: the capacity is there; no bits are invalid and the caller writes first.
    #[allow(clippy::uninit_vec, reason = "the caller promises to write first")]
    unsafe {
        buffer.set_len(count);
    }
    buffer
}

/// The same tensor with its elements in row-major order.
pub(crate) fn dense(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The elements of a dense tensor.
pub(crate) fn slice<T: Factor>(tensor: &FlexTensor) -> &[T] {
    tensor.as_slice().expect("the tensor is dense and of the type that was dispatched on")
}

/// A tensor of these elements.
pub(crate) fn tensor<T: Factor>(elements: Vec<T>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(elements, shape))
}

/// A dense tensor in its elements' type for sums.
pub(crate) fn widened<T: Factor>(of: FlexTensor) -> FlexTensor {
    if T::dtype() == T::Wide::dtype() {
        return of;
    }
    tensor(T::widened(slice(&of)).into_owned(), of.layout().shape().clone())
}

/// The extent of the last axis.
pub(crate) fn width(tensor: &FlexTensor) -> usize {
    tensor.layout().shape().iter().last().copied().unwrap_or(1)
}

/// The elements in place, where no one else holds them.
fn own<T: Factor>(target: &mut FlexTensor) -> Option<&mut [T]> {
    let count = target.layout().num_elements();
    match target.layout().contiguous_offsets() {
        Some((0, end)) if end == count => Some(&mut target.try_storage_mut::<T>()?[..count]),
        _ => None,
    }
}

/// Replaces the elements of a dense tensor piece by piece: `f` gets a piece's first index and its
/// elements, to be written over. The tensor's own memory is used where no one else holds it.
pub(crate) fn replace<T: Factor>(
    mut target: FlexTensor,
    width: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) -> FlexTensor {
    let piece = piece::size(width);
    if let Some(elements) = own::<T>(&mut target) {
        each(elements, piece, |i, part| f(i * piece, part));
        return target;
    }
    let source = slice::<T>(&target);
    // SAFETY: each piece is copied before `f` sees it.
    let mut elements = unsafe { unwritten(source.len()) };
    each(&mut elements, piece, |i, part| {
        part.copy_from_slice(&source[i * piece..i * piece + part.len()]);
        f(i * piece, part);
    });
    tensor(elements, target.layout().shape().clone())
}

/// [`replace`] in the type for sums: `f` gets each piece's elements in it, and what it leaves is rounded.
pub(crate) fn replace_wide<T: Factor>(
    target: FlexTensor,
    width: usize,
    f: impl Fn(usize, &mut [T::Wide]) + Sync,
) -> FlexTensor {
    if T::dtype() == T::Wide::dtype() {
        return replace::<T::Wide>(target, width, f);
    }
    replace::<T>(target, width, |at, part| {
        let mut wide = T::widened(part).into_owned();
        f(at, &mut wide);
        T::narrow(&wide, part);
    })
}

/// Runs `task` for 0..count, in parallel where there are several.
///
/// All parallel work comes through here by reference: one instance of the scheduler's code instead
/// of one per kernel, which took most of this crate's compile time.
pub(crate) fn parallel(count: usize, task: &(dyn Fn(usize) + Sync)) {
    fork_join::run(count, task);
}

/// Runs `f` on each piece of a slice, in parallel where there are several.
pub(crate) fn each<T: Send>(elements: &mut [T], piece: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let count = elements.len();
    let shared = Shared::new(elements);
    parallel(count.div_ceil(piece), &|i| {
        let first = i * piece;
        // SAFETY: pieces are disjoint and lie in the slice.
        let part = unsafe { std::slice::from_raw_parts_mut(shared.at(first), piece.min(count - first)) };
        f(i, part);
    });
}

/// Runs `f` for 0..count in parallel, and hands back what it returned, in order.
pub(crate) fn collect<R: Send>(count: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    let shared = Shared::new(&mut results);
    parallel(count, &|i| {
        let result = Some(f(i));
        // SAFETY: each task has a place of its own.
        unsafe { *shared.at(i) = result };
    });
    results.into_iter().flatten().collect()
}

/// A slice that several tasks write at places of their own.
pub(crate) struct Shared<T>(*mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

// SAFETY: the pointer is only used by tasks that keep to disjoint elements, which `at`'s contract
// demands.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(elements: &mut [T]) -> Self {
        Self(elements.as_mut_ptr())
    }

    /// A pointer to an element.
    ///
    /// # Safety
    /// The slice must outlive its use, `index` lie inside, and no other task touch what is
    /// reached through it.
    pub(crate) unsafe fn at(self, index: usize) -> *mut T {
        // SAFETY: `index` lies inside the slice.
        unsafe { self.0.add(index) }
    }
}

/// Runs `$body` with `$t` bound to the Rust type of a tensor's elements.
macro_rules! typed {
    ($tensor:expr, $t:ident => $body:expr) => {
        match $tensor.dtype() {
            burn_backend::DType::F32 => {
                type $t = f32;
                $body
            }
            burn_backend::DType::F64 => {
                type $t = f64;
                $body
            }
            other => panic!("no kernel for elements of type {other:?}"),
        }
    };
}

/// [`typed!`] for products, which bfloat16 has too.
macro_rules! multiplied {
    ($tensor:expr, $t:ident => $body:expr) => {
        match $tensor.dtype() {
            burn_backend::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            _ => crate::kernels::buffer::typed!($tensor, $t => $body),
        }
    };
}

pub(crate) use {multiplied, typed};

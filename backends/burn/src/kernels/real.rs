//! The float types that kernels are written for.

use std::borrow::Cow;

use burn_backend::Element;
use half::bf16;
use palimpsest_kernels::bfloat16;

use super::gemm::{self, Destination, Matrix};

/// A float type of matrices that are multiplied.
pub(crate) trait Factor: Element + bytemuck::Pod + Default + Send + Sync {
    /// What it is summed in: f32 for bfloat16, else itself.
    type Wide: Real;

    /// Values rounded to this type.
    fn narrowed(values: &[Self::Wide]) -> Cow<'_, [Self]>;

    /// [`Factor::narrowed`], into memory that is there.
    ///
    /// # Panics
    /// The slices differ in length.
    fn narrow(values: &[Self::Wide], into: &mut [Self]);

    /// Values in the type for sums.
    fn widened(values: &[Self]) -> Cow<'_, [Self::Wide]>;

    /// to = scale a b, on the calling thread.
    ///
    /// # Safety
    /// The destination must be valid for `a.rows` rows of `b.columns` elements that no one else uses.
    unsafe fn product(to: Destination<Self>, a: Matrix<'_, Self>, b: Matrix<'_, Self>);

    /// [`Factor::product`], not rounded to this type.
    ///
    /// # Safety
    /// As there.
    unsafe fn wide_product(to: Destination<Self::Wide>, a: Matrix<'_, Self>, b: Matrix<'_, Self>);

    /// out = a b, and `bias` added to each row, in parallel.
    ///
    /// # Panics
    /// `out` has not the product's size, or the bias not its columns.
    fn parallel_product(
        out: &mut [Self],
        a: Matrix<'_, Self>,
        b: Matrix<'_, Self>,
        bias: Option<&[Self::Wide]>,
    );
}

/// A float type that elementary functions are written for.
pub(crate) trait Real: palimpsest_kernels::Real + Factor<Wide = Self> {}

impl Real for f32 {}
impl Real for f64 {}

macro_rules! real {
    ($ty:ty, $products:path) => {
        impl Factor for $ty {
            type Wide = Self;

            fn narrowed(values: &[Self]) -> Cow<'_, [Self]> {
                Cow::Borrowed(values)
            }

            fn narrow(values: &[Self], into: &mut [Self]) {
                into.copy_from_slice(values);
            }

            fn widened(values: &[Self]) -> Cow<'_, [Self]> {
                Cow::Borrowed(values)
            }

            unsafe fn product(to: Destination<Self>, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
                use $products as products;
                // SAFETY: the caller's.
                unsafe { products::product(to, a, b) };
            }

            unsafe fn wide_product(to: Destination<Self>, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
                // SAFETY: the caller's.
                unsafe { Self::product(to, a, b) };
            }

            fn parallel_product(
                out: &mut [Self],
                a: Matrix<'_, Self>,
                b: Matrix<'_, Self>,
                bias: Option<&[Self]>,
            ) {
                use $products as products;
                gemm::check(out, &a, &b, bias);
                products::parallel_product(out, a, b, bias);
            }
        }
    };
}

real!(f32, gemm::sgemm);
real!(f64, gemm::dgemm);

impl Factor for bf16 {
    type Wide = f32;

    fn narrowed(values: &[f32]) -> Cow<'_, [Self]> {
        let mut narrow = vec![bf16::ZERO; values.len()];
        bfloat16::round(values, &mut narrow);
        Cow::Owned(narrow)
    }

    fn narrow(values: &[f32], into: &mut [Self]) {
        bfloat16::round(values, into);
    }

    fn widened(values: &[Self]) -> Cow<'_, [f32]> {
        let mut wide = vec![0.0; values.len()];
        bfloat16::widen(values, &mut wide);
        Cow::Owned(wide)
    }

    unsafe fn product(to: Destination<Self>, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
        // SAFETY: the caller's.
        unsafe { gemm::sbgemm::product(to, a, b) };
    }

    unsafe fn wide_product(to: Destination<f32>, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
        // SAFETY: the caller's.
        unsafe { gemm::sbgemm::product(to, a, b) };
    }

    fn parallel_product(out: &mut [Self], a: Matrix<'_, Self>, b: Matrix<'_, Self>, bias: Option<&[f32]>) {
        gemm::check(out, &a, &b, bias);
        gemm::sbgemm::parallel_product(out, a, b, bias);
    }
}

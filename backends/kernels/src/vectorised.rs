//! Functions compiled once more for wider registers, chosen where the processor has them.

/// Declares functions over `T: Real` whose bodies are compiled for each of pulp's architectures.
///
/// Only what is inlined into pulp's entry is, so what a body calls has to be `#[inline(always)]`, and the call is
/// a type of its own: the code of a closure's `FnOnce::call_once` stays outside.
///
/// ```
/// palimpsest_kernels::vectorised! {
///     /// Doubles every element.
///     pub fn double<T: Real>(x: &mut [T]) {
///         for x in x {
///             *x *= T::of(2.0);
///         }
///     }
/// }
///
/// let mut x = [1.0, 2.5];
/// double(&mut x);
/// assert_eq!(x, [2.0, 5.0]);
/// ```
#[macro_export]
macro_rules! vectorised {
    (@output) => {
        ()
    };
    (@output $ret:ty) => {
        $ret
    };
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident<T: Real>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => { $(
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
        $vis fn $name<T: $crate::Real>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
            fn body<T: $crate::Real>($($arg: $ty),*) $(-> $ret)? $body

            /// The arguments, of types named like them.
            #[allow(non_camel_case_types, reason = "types named like the arguments")]
            struct Call<$($arg),*> { $($arg: $arg),* }

            impl<T: $crate::Real> $crate::pulp::WithSimd for Call<$($ty),*> {
                type Output = $crate::vectorised!(@output $($ret)?);

                #[inline(always)]
                fn with_simd<S: $crate::pulp::Simd>(self, _: S) -> Self::Output {
                    body($(self.$arg),*)
                }
            }

            $crate::pulp::Arch::new().dispatch(Call { $($arg),* })
        }
    )* };
}

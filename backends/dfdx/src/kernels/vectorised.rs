//! Functions compiled once more for wider registers, chosen where the processor has them.

/// Declares functions over `T: Real` whose bodies are compiled for each of pulp's architectures.
///
/// Only what is inlined into pulp's entry is, so the call is a type of its own: the code of a
/// closure's `FnOnce::call_once` stays outside.
macro_rules! vectorised {
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident<T: Real>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => { $(
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<T: Real>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<T: Real>($($arg: $ty),*) $(-> $ret)? $body

            /// The arguments, of types named like them.
            #[allow(non_camel_case_types)]
            struct Call<$($arg),*> { $($arg: $arg),* }

            impl<T: Real> pulp::WithSimd for Call<$($ty),*> {
                type Output = $crate::kernels::vectorised::output!($($ret)?);

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
                    body($(self.$arg),*)
                }
            }

            pulp::Arch::new().dispatch(Call { $($arg),* })
        }
    )* };
}

/// A function's return type.
macro_rules! output {
    () => {
        ()
    };
    ($ret:ty) => {
        $ret
    };
}

pub(crate) use {output, vectorised};

//! Functions compiled once more for wider registers, chosen at run time by [`Level`](crate::Level).

/// Declares functions, over `T: Real` or of fixed types, whose bodies are compiled for each level of instructions.
///
/// Only what is inlined into a level's function is compiled for it, so what a body calls has to be
/// `#[inline(always)]`, and loops are written as such: the code of a closure's `FnOnce::call_once` stays outside.
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
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident$(<$t:ident: Real>)?($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => { $(
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
        #[allow(unsafe_code, reason = "calls of functions for instructions that were found to be there")]
        $vis fn $name$(<$t: $crate::Real>)?($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body$(<$t: $crate::Real>)?($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2$(<$t: $crate::Real>)?($($arg: $ty),*) $(-> $ret)? {
                body($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512$(<$t: $crate::Real>)?($($arg: $ty),*) $(-> $ret)? {
                body($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            match $crate::Level::current() {
                $crate::Level::Scalar => {}
                // SAFETY: the level says that the instructions are there.
                $crate::Level::Avx2 => return unsafe { avx2($($arg),*) },
                // SAFETY: as above.
                $crate::Level::Avx512 | $crate::Level::Amx => return unsafe { avx512($($arg),*) },
            }
            body($($arg),*)
        }
    )* };
}

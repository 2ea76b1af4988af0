//! Functions compiled once more for wider registers, chosen where the processor has them.

/// Declares functions over `T: Real` whose bodies are compiled for each of pulp's architectures.
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

            // Only what is inlined is compiled for the architecture.
            let call = {
                #[inline(always)]
                move || body($($arg),*)
            };
            pulp::Arch::new().dispatch(call)
        }
    )* };
}

pub(crate) use vectorised;

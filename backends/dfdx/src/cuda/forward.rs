//! cudarc 0.9 calls NVIDIA's functions by their names, and so wants their libraries at link time and
//! wherever this library is loaded. Here is a function of each such name, which calls the real one in
//! a library that is loaded then; it comes before any library in the linker's eyes.

/// Defines functions of NVIDIA's names. Each forwards to the one in `$library`; with `= hook` the
/// hook is called with the real function and the arguments; with `or nothing of n` nothing is called
/// where the argument `n` is 0.
macro_rules! forward {
    ($library:expr; $sys:ident; $(
        fn $name:ident($($arg:ident: $ty:ty),* $(,)?) -> $status:ty $(= $hook:path)? $(, or nothing of $bytes:ident)?;
    )*) => {$(
        // The types are those that cudarc calls it with.
        const _: unsafe extern "C" fn($($ty),*) -> $status = $sys::$name;

        // SAFETY: the name is NVIDIA's; nothing else in this library defines it.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $ty),*) -> $status {
            type Function = unsafe extern "C" fn($($ty),*) -> u32;
            static FOUND: std::sync::OnceLock<Option<Function>> = std::sync::OnceLock::new();
            let found = FOUND.get_or_init(|| {
                let function = $library.function(stringify!($name))?;
                // SAFETY: the library's function of this name has the type that cudarc's bindings
                // give it, but for the status: a newer library has codes that the enum lacks.
                Some(unsafe { std::mem::transmute::<*const std::ffi::c_void, Function>(function) })
            });
            $(if $bytes == 0 {
                return <$status as crate::cuda::status::Status>::of(0);
            })?
            let Some(function) = *found else {
                return <$status as crate::cuda::status::Status>::MISSING;
            };
            // SAFETY: the caller's arguments, as it meant them for this function.
            let real = |$($arg: $ty),*| unsafe {
                <$status as crate::cuda::status::Status>::of(function($($arg),*))
            };
            forward!(@call real ($($arg),*) $($hook)?)
        }
    )*};
    (@call $real:ident ($($arg:ident),*)) => { $real($($arg),*) };
    (@call $real:ident ($($arg:ident),*) $hook:path) => { $hook($real, $($arg),*) };
}

pub(super) use forward;

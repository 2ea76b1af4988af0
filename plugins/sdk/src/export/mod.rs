//! The plug-in's end of the C interface. `export_plugin!` uses it; authors don't.
#![allow(unsafe_code, reason = "C functions over pointers of the host")]
#![allow(missing_docs, reason = "for the macros alone")]

mod crossing;
pub(crate) mod failure;
pub(crate) mod functions;
mod guard;

use std::marker::PhantomData;

pub use palimpsest_abi as abi;
use palimpsest_abi::corruption::{
    Application, Description, EQUAL_COUNTS, Geometry, INJECTS, MIXES, OBSERVES, OPS, Ops, Table, UNBIASED,
};
use palimpsest_abi::{Head, Opaque, Str};

pub use crate::parameters::{Arguments, describe};
use crate::strategy::{Apply, Corruption, Observe};

/// What this crate calls itself in messages.
pub const BUILT_WITH: Str = Str::of(concat!("palimpsest-sdk ", env!("CARGO_PKG_VERSION")));

type ApplyFn = unsafe extern "C" fn(
    Opaque,
    *const Ops,
    *const Application,
    *mut abi::backend::Tensor,
    *mut abi::Error,
) -> u32;
type ObserveFn = unsafe extern "C" fn(Opaque, *mut u32, *mut i32, *mut abi::Error) -> u32;
type ScoreFn = unsafe extern "C" fn(
    Opaque,
    *const Ops,
    *const abi::backend::Tensor,
    *const Geometry,
    *mut abi::backend::Tensor,
    *mut abi::Error,
) -> u32;

/// What a type implements beyond [`Corruption`], found by the compiler: an inherent constant, where its
/// bound holds, goes before the trait's of the same name.
#[derive(Debug)]
pub struct Parts<T>(PhantomData<T>);

pub trait WithoutApply {
    const APPLY: Option<ApplyFn> = None;
}
impl<T> WithoutApply for Parts<T> {}
impl<T: Apply> Parts<T> {
    pub const APPLY: Option<ApplyFn> = Some(functions::apply::<T>);
}

pub trait WithoutObserve {
    const OBSERVE: Option<(ObserveFn, ScoreFn)> = None;
}
impl<T> WithoutObserve for Parts<T> {}
impl<T: Observe> Parts<T> {
    pub const OBSERVE: Option<(ObserveFn, ScoreFn)> = Some((functions::observe::<T>, functions::score::<T>));
}

/// What a strategy says of itself.
pub const fn description<T: Corruption>(
    version: &'static str,
    applies: Option<ApplyFn>,
    observes: Option<(ObserveFn, ScoreFn)>,
) -> Description {
    check_id(T::ID);
    assert!(!T::SUMMARY.is_empty(), "SUMMARY is empty: it is what users read of the strategy");
    let mut capabilities = 0;
    if applies.is_some() {
        capabilities |= OPS | INJECTS;
    }
    if observes.is_some() {
        capabilities |= OBSERVES;
    }
    if T::INJECTS {
        capabilities |= INJECTS;
    }
    if T::UNBIASED {
        capabilities |= UNBIASED;
    }
    if T::EQUAL_COUNTS {
        capabilities |= EQUAL_COUNTS;
    }
    if T::MIXES {
        capabilities |= MIXES;
    }
    Description {
        head: Head::of::<Description>(),
        id: Str::of(T::ID),
        version: Str::of(match T::VERSION {
            Some(version) => version,
            None => version,
        }),
        summary: Str::of(T::SUMMARY),
        capabilities,
        parameters: T::PARAMETERS.as_ptr(),
        parameter_count: T::PARAMETERS.len(),
        parameter_size: size_of::<abi::corruption::Parameter>(),
    }
}

/// The functions of a strategy.
pub const fn table<T: Corruption>(
    description: &'static Description,
    applies: Option<ApplyFn>,
    observes: Option<(ObserveFn, ScoreFn)>,
) -> Table {
    let (observe, score) = match observes {
        Some((observe, score)) => (Some(observe), Some(score)),
        None => (None, None),
    };
    Table {
        head: Head::of::<Table>(),
        description,
        create: functions::create::<T>,
        destroy: functions::destroy::<T>,
        check: Some(functions::check::<T>),
        plan: functions::plan::<T>,
        apply: applies,
        observe,
        score,
    }
}

/// Stops the build where the id is no reverse domain name.
const fn check_id(id: &str) {
    let bytes = id.as_bytes();
    let (mut i, mut dots, mut part) = (0, 0, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'.' => {
                assert!(
                    part > 0,
                    "ID has an empty part: write a reverse domain name as org.example.blue-noise"
                );
                dots += 1;
                part = 0;
            }
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => part += 1,
            _ => panic!("ID may have lower case letters, digits, `-`, `_` and dots: org.example.blue-noise"),
        }
        i += 1;
    }
    assert!(dots > 0 && part > 0, "ID is no reverse domain name: write one as org.example.blue-noise");
}

/// A strategy's table as a static.
#[doc(hidden)]
#[macro_export]
macro_rules! __strategy_table {
    ($strategy:ty) => {{
        #[allow(unused_imports, reason = "one of each pair is shadowed")]
        use exported::{WithoutApply as _, WithoutObserve as _};
        use $crate::export::{self as exported, abi::corruption};
        type Parts = exported::Parts<$strategy>;
        static DESCRIPTION: corruption::Description =
            exported::description::<$strategy>(env!("CARGO_PKG_VERSION"), Parts::APPLY, Parts::OBSERVE);
        static TABLE: corruption::Table =
            exported::table::<$strategy>(&DESCRIPTION, Parts::APPLY, Parts::OBSERVE);
        &TABLE
    }};
}

/// Makes the crate a plug-in: exports `palimpsest_entry` with the functions of a strategy. Once in a crate, of
/// `crate-type = ["cdylib"]`.
///
/// The strategy's type implements [`Corruption`](crate::Corruption). Whether it implements
/// [`Apply`](crate::Apply) and [`Observe`](crate::Observe) is found out, so what the library says
/// that it can do is what it does.
///
/// Panics are caught, told to the host, and end the instance; a crate built with `panic = "abort"` says so and
/// is refused.
#[macro_export]
macro_rules! export_plugin {
    ($strategy:ty) => {
        const _: () = {
            // The name is the contract's; it is exported once from a library.
            #[allow(unsafe_code, non_upper_case_globals, reason = "a symbol of the interface")]
            #[unsafe(no_mangle)]
            static palimpsest_entry: $crate::export::abi::Entry = $crate::export::abi::Entry {
                head: $crate::export::abi::Head::of::<$crate::export::abi::Entry>(),
                major: $crate::export::abi::MAJOR,
                minor: $crate::export::abi::MINOR,
                kind: $crate::export::abi::Kind::Corruption as u32,
                unwinds: cfg!(panic = "unwind") as u32,
                built_with: $crate::export::BUILT_WITH,
                table: (&raw const *$crate::__strategy_table!($strategy)).cast(),
            };
        };
    };
}

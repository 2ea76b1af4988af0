//! Structs of hosts of another version.
#![allow(unsafe_code, reason = "hands out structs of other sizes")]

use palimpsest_abi::corruption as abi;
use palimpsest_abi::{Error as CError, Extension, Head};

use crate::buffers::Plan;
use crate::guarded::{Guarded, Side};
use crate::instance::{Instance, Refusal};
use crate::outcome::{Checked, Stop, fail};
use crate::request::Request;
use crate::subject::{Subject, request, says};

/// An extension that no version knows.
const UNKNOWN: u32 = 0x7fff_fff0;
const TAIL: [u8; 64] = [0xA5; 64];

/// A struct as a later version may have it: more fields behind the last.
#[repr(C)]
struct Larger<T> {
    known: T,
    tail: [u8; 64],
}

impl<T> Larger<T> {
    fn new(known: T, extension: *const Extension) -> Self {
        let mut larger = Self { known, tail: TAIL };
        // SAFETY: every struct of the contract starts with a `Head`.
        unsafe {
            (&raw mut larger).cast::<Head>().write(Head { size: size_of::<Self>(), extension });
        }
        larger
    }

    fn whole(&self, name: &str) -> Checked<()> {
        if self.tail == TAIL {
            return Ok(());
        }
        fail(name, "was written to behind the last field that ABI 1.1 knows", "write known fields alone")
    }
}

pub(crate) fn larger(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let second = Extension { size: size_of::<Extension>(), id: UNKNOWN + 1, next: std::ptr::null() };
    let first = Extension { size: size_of::<Extension>(), id: UNKNOWN, next: &raw const second };
    let geometries = subject.geometries(&instance)?;
    for known in &geometries {
        let asked = request(&instance, *known, 3);
        let due = super::planned(&instance, &asked)?;
        let mut error = Larger::new(CError::new(), &raw const first);
        let geometry = Larger::new(*known, &raw const first);
        if let Some(check) = instance.library.table().check {
            // SAFETY: each struct has the size that its head tells, and is lent for the call.
            let code = unsafe { check(instance.pointer(), &raw const geometry.known, &raw mut error.known) };
            Refusal::read(code, &error.known)
                .or_else(|refusal| fail("`check` with longer structs", refusal.to_string(), HELP))?;
        }
        let mut lent = asked.lend();
        lent.geometry = &raw const geometry.known;
        let longer = Larger::new(lent, &raw const first);
        let mut plan = Plan::identity(3, asked.tokens());
        let mut buffers = Larger::new(plan.lend(), &raw const first);
        // SAFETY: as above; the buffers have room for [B, L].
        let code = unsafe {
            instance.plan_raw(&raw const longer.known, &raw mut buffers.known, &raw mut error.known)
        };
        Refusal::read(code, &error.known).or_else(|refusal| {
            fail(format!("`plan` with longer structs for {asked}"), refusal.to_string(), HELP)
        })?;
        plan.flags = buffers.known.flags;
        if let Some(difference) = due.difference(&plan) {
            return fail(format!("`plan` with longer structs for {asked}"), difference, HELP);
        }
        buffers.whole("the struct Plan")?;
        error.whole("the struct Error")?;
    }
    Ok(format!("{} geometries", geometries.len()))
}

const HELP: &str =
    "look at no field behind those of the headers it was built with, and pass unknown extensions over";

/// Everything that `plan` is lent, each on pages of its own.
fn plan_guarded(instance: &Instance, asked: &Request, size: usize) -> Checked<Result<Plan, Refusal>> {
    let count = asked.count();
    let mut geometry = Guarded::of("the struct Geometry", &asked.geometry, Side::Behind)?;
    let mut error = Guarded::of("the struct Error", &CError::new(), Side::Behind)?;
    let mut lent = asked.lend();
    lent.head.size = size;
    lent.geometry = geometry.data().cast();
    // Only so much of it lies there as the version of the host has.
    let mut short = Guarded::new("the struct PlanRequest", size, Side::Behind)?;
    // SAFETY: a request is plain data of at least `size` bytes.
    short.write(unsafe { std::slice::from_raw_parts((&raw const lent).cast::<u8>(), size) });
    let mut plan = Plan::identity(asked.batch as usize, asked.tokens());
    let mut buffers = Guarded::of("the struct Plan", &plan.lend(), Side::Behind)?;
    // SAFETY: each struct has the size that its head tells; the buffers have room for [B, L].
    let code = unsafe { instance.plan_raw(short.data().cast(), buffers.data().cast(), error.data().cast()) };
    plan.flags = buffers.read::<abi::Plan>(1)[0].flags;
    for memory in [&geometry, &short, &buffers, &error] {
        memory.whole(&format!("`plan` for {asked}"))?;
    }
    debug_assert_eq!(plan.roles.len(), count);
    Ok(Refusal::read(code, &error.read::<CError>(1)[0]).map(|()| plan))
}

/// The size of a request in ABI 1.0: without scores.
const FIRST_REQUEST: usize = std::mem::offset_of!(abi::PlanRequest, scores);

pub(crate) fn smaller(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let observes = says(&instance.library, abi::OBSERVES);
    let sizes: &[usize] = if observes {
        &[size_of::<abi::PlanRequest>()]
    } else {
        &[size_of::<abi::PlanRequest>(), FIRST_REQUEST]
    };
    let geometries = subject.geometries(&instance)?;
    for known in &geometries {
        if let Some(check) = instance.library.table().check {
            let mut geometry = Guarded::of("the struct Geometry", known, Side::Behind)?;
            let mut error = Guarded::of("the struct Error", &CError::new(), Side::Behind)?;
            // SAFETY: each struct has the size that its head tells.
            let code = unsafe { check(instance.pointer(), geometry.data().cast(), error.data().cast()) };
            Refusal::read(code, &error.read::<CError>(1)[0]).or_else(|refusal| {
                fail("`check` with structs on pages of their own", refusal.to_string(), HELP)
            })?;
        }
        let asked = request(&instance, *known, 3);
        let due = super::planned(&instance, &asked)?;
        for &size in sizes {
            let plan = match plan_guarded(&instance, &asked, size)? {
                Ok(plan) => plan,
                Err(refusal) if refusal.is_panic() => {
                    return Err(Stop::Skipped("it panics: see robust.panics".to_owned()));
                }
                Err(refusal) => {
                    return fail(
                        format!("`plan` with a request of {size} bytes for {asked}"),
                        refusal.to_string(),
                        "serve a host of ABI 1.0: fields behind head.size are not there",
                    );
                }
            };
            if let Some(difference) = due.difference(&plan) {
                return fail(format!("`plan` with a request of {size} bytes for {asked}"), difference, HELP);
            }
        }
    }
    Ok(format!("{} geometries, requests of {sizes:?} bytes", geometries.len()))
}

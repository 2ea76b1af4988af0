//! The C functions of a strategy.
//!
//! Each promises what the header says of it and asks of its caller what the header says: pointers are null or
//! point to what their type says, as long as `head.size` tells, for the length of the call.

use palimpsest_abi::corruption as c;
use palimpsest_abi::{self as abi, Opaque};

use super::guard::{Instance, guarded, on_instance};
use super::{Arguments, crossing};
use crate::application::{Application, Injection};
use crate::geometry::Geometry;
use crate::plan::{Plan, Role};
use crate::request::PlanRequest;
use crate::strategy::{Apply, Corruption, Observation, Observe};
use crate::tensor::{Call, Ops, Tensor};
use crate::{Error, Result};

pub(crate) unsafe extern "C" fn create<T: Corruption>(
    arguments: *const c::Argument,
    argument_count: usize,
    instance: *mut Opaque,
    error: *mut abi::Error,
) -> u32 {
    let work = || {
        crossing::place(instance, "the instance")?;
        // SAFETY: lent by the host.
        let given = unsafe { crossing::array(arguments, argument_count, "arguments") }?;
        let mut read = Vec::with_capacity(given.len());
        for argument in given {
            // SAFETY: lent by the host.
            let (name, words) =
                unsafe { (crossing::text(&argument.name)?, crossing::text(&argument.value.text)?) };
            read.push((name, &argument.value, words));
        }
        let strategy = T::from_arguments(&Arguments::read(T::PARAMETERS, read)?);
        // SAFETY: asked for above.
        unsafe { crossing::put(instance, self::instance(strategy), "the instance") }
    };
    // SAFETY: lent by the host.
    unsafe { guarded(error, work) }
}

/// What the host gets for a strategy; `destroy` takes it back.
pub(crate) fn instance<T: Corruption>(strategy: T) -> Opaque {
    Box::into_raw(Box::new(Instance::new(strategy))).cast()
}

pub(crate) unsafe extern "C" fn destroy<T: Corruption>(instance: Opaque) {
    if instance.is_null() {
        return;
    }
    let work = || {
        // SAFETY: `create` boxed it, and the host gives it back once.
        drop(unsafe { Box::from_raw(instance.cast::<Instance<T>>()) });
        Ok(())
    };
    // SAFETY: a null error is allowed.
    unsafe { guarded(std::ptr::null_mut(), work) };
}

pub(crate) unsafe extern "C" fn check<T: Corruption>(
    instance: Opaque,
    geometry: *const c::Geometry,
    error: *mut abi::Error,
) -> u32 {
    // SAFETY: lent by the host.
    let work = |strategy: &T| strategy.check(&unsafe { read_geometry(geometry) }?);
    // SAFETY: the host passes what `create` made.
    unsafe { on_instance(instance, error, work) }
}

pub(crate) unsafe extern "C" fn plan<T: Corruption>(
    instance: Opaque,
    request: *const c::PlanRequest,
    plan: *mut c::Plan,
    error: *mut abi::Error,
) -> u32 {
    let work = |strategy: &T| {
        // SAFETY: lent by the host, for this call alone.
        unsafe {
            let request = read_request(request)?;
            let raw = crossing::read::<c::Plan>(plan)?;
            let count = count(&request)?;
            let source = crossing::array_mut(raw.source, count, "source")?;
            for (at, from) in (0..).zip(source.iter_mut()) {
                *from = at;
            }
            let mut written = Plan::new(
                &request,
                roles_mut(raw.roles, count)?,
                crossing::array_mut(raw.gain, count, "gain")?,
                crossing::array_mut(raw.noise, count, "noise")?,
                source,
            );
            strategy.plan(&request, &mut written)?;
            written.check::<T>()?;
            (&raw mut (*plan).flags).write(written.flags);
            Ok(())
        }
    };
    // SAFETY: the host passes what `create` made.
    unsafe { on_instance(instance, error, work) }
}

pub(crate) unsafe extern "C" fn apply<T: Apply>(
    instance: Opaque,
    ops: *const c::Ops,
    application: *const c::Application,
    result: *mut abi::backend::Tensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |strategy: &T| {
        crossing::place(result, "the result")?;
        // SAFETY: lent by the host, for this call alone.
        let made = unsafe {
            let call = Call::new(crossing::read(ops)?);
            let ops = Ops::new(&call);
            let raw = crossing::read(application)?;
            let request = read_request(raw.request)?;
            let plan = crossing::read::<c::Plan>(raw.plan)?;
            let count = count(&request)?;
            let application = Application {
                ops,
                request: &request,
                roles: roles(plan.roles, count)?,
                plan_gain: crossing::array(plan.gain, count, "gain")?,
                plan_noise: crossing::array(plan.noise, count, "noise")?,
                injection: match raw.place {
                    0 => Injection::Pixels,
                    1 => Injection::Embedding,
                    _ => Injection::Block,
                },
                prefix: raw.prefix as usize,
                tokens: Tensor::from_raw(ops, &raw.tokens)?,
                kept: optional(ops, &raw.kept)?,
                gain: optional(ops, &raw.gain)?,
                noise: optional(ops, &raw.noise)?,
            };
            let made = strategy.apply(&application)?;
            let tokens = application.tokens();
            if made.shape() != tokens.shape() || made.dtype() != tokens.dtype() {
                return Err(Error::failure(format!("`apply` made {made:?} of tokens {tokens:?}")).at(T::ID));
            }
            made.raw()
        };
        // SAFETY: asked for above.
        unsafe { crossing::put(result, made, "the result") }
    };
    // SAFETY: the host passes what `create` made.
    unsafe { on_instance(instance, error, work) }
}

pub(crate) unsafe extern "C" fn observe<T: Observe>(
    instance: Opaque,
    what: *mut u32,
    block: *mut i32,
    error: *mut abi::Error,
) -> u32 {
    let work = |strategy: &T| {
        let (kind, number) = match strategy.observe() {
            Observation::Pixels => (c::Observation::Pixels, 0),
            Observation::Embedding => (c::Observation::Embedding, 0),
            Observation::Features { block } => (c::Observation::Features, block),
            Observation::Attention { block } => (c::Observation::Attention, block),
        };
        crossing::place(block, "the block")?;
        // SAFETY: places of the host's.
        unsafe {
            crossing::put(what, kind as u32, "the observation")?;
            crossing::put(block, number, "the block")
        }
    };
    // SAFETY: the host passes what `create` made.
    unsafe { on_instance(instance, error, work) }
}

pub(crate) unsafe extern "C" fn score<T: Observe>(
    instance: Opaque,
    ops: *const c::Ops,
    observed: *const abi::backend::Tensor,
    geometry: *const c::Geometry,
    scores: *mut abi::backend::Tensor,
    error: *mut abi::Error,
) -> u32 {
    let work = |strategy: &T| {
        crossing::place(scores, "the scores")?;
        // SAFETY: lent by the host, for this call alone.
        let made = unsafe {
            let call = Call::new(crossing::read(ops)?);
            let geometry = read_geometry(geometry)?;
            let observed = crossing::array(observed, 1, "observed tensor")?;
            let observed = Tensor::from_raw(Ops::new(&call), &observed[0])?;
            strategy.score(observed, &geometry)?.raw()
        };
        // SAFETY: asked for above.
        unsafe { crossing::put(scores, made, "the scores") }
    };
    // SAFETY: the host passes what `create` made.
    unsafe { on_instance(instance, error, work) }
}

/// # Safety
/// As for [`crossing::read`].
unsafe fn read_geometry(geometry: *const c::Geometry) -> Result<Geometry> {
    // SAFETY: the caller's promise.
    let raw = unsafe { crossing::read(geometry) }?;
    Ok(Geometry {
        channels: raw.channels as usize,
        height: raw.height as usize,
        width: raw.width as usize,
        patch: raw.patch as usize,
        grid_h: raw.grid_h as usize,
        grid_w: raw.grid_w as usize,
        prefix: raw.prefix as usize,
        dim: raw.dim as usize,
        depth: raw.depth as usize,
        heads: raw.heads as usize,
    })
}

/// # Safety
/// As for [`crossing::read`]; the request's own pointers are valid for `'a`.
unsafe fn read_request<'a>(request: *const c::PlanRequest) -> Result<PlanRequest<'a>> {
    // SAFETY: the caller's promise.
    let (raw, geometry) = unsafe {
        let raw = crossing::read(request)?;
        (raw, read_geometry(raw.geometry)?)
    };
    let (batch, tokens) = (raw.batch as usize, raw.tokens as usize);
    if tokens != geometry.tokens() {
        let Geometry { grid_h, grid_w, .. } = geometry;
        return Err(Error::failure(format!(
            "the host asks for {tokens} tokens on a grid of {grid_h} x {grid_w}"
        )));
    }
    let mut out = PlanRequest {
        geometry,
        batch,
        tokens,
        seed: raw.seed,
        step: raw.step,
        first_sample: raw.first_sample,
        progress: raw.progress,
        scores: None,
    };
    if !raw.scores.is_null() {
        // SAFETY: the caller's promise.
        out.scores = Some(unsafe { crossing::array(raw.scores, count(&out)?, "scores") }?);
    }
    Ok(out)
}

/// Tokens in the batch; they are numbered in 32 bits.
fn count(request: &PlanRequest<'_>) -> Result<usize> {
    let (batch, tokens) = (request.batch, request.tokens);
    let count = batch.checked_mul(tokens).filter(|&count| u32::try_from(count).is_ok());
    count.ok_or_else(|| Error::failure(format!("a batch of {batch} x {tokens} tokens is too large")))
}

/// # Safety
/// As for [`crossing::array`].
unsafe fn roles<'a>(data: *mut u8, count: usize) -> Result<&'a [Role]> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { crossing::array(data.cast_const(), count, "roles") }?;
    check_roles(bytes)?;
    // SAFETY: every byte is a `Role`.
    Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<Role>(), count) })
}

/// # Safety
/// As for [`crossing::array_mut`].
unsafe fn roles_mut<'a>(data: *mut u8, count: usize) -> Result<&'a mut [Role]> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { crossing::array_mut(data, count, "roles") }?;
    check_roles(bytes)?;
    // SAFETY: every byte is a `Role`.
    Ok(unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<Role>(), count) })
}

fn check_roles(bytes: &[u8]) -> Result<()> {
    // Without an early end, so that it is a few instructions for many bytes.
    let highest = bytes.iter().fold(0, |highest, &byte| highest.max(byte));
    if highest > Role::Noised as u8 {
        return Err(Error::failure(format!("the host gave the unknown role {highest}")));
    }
    Ok(())
}

fn optional<'call>(ops: Ops<'call>, raw: &abi::backend::Tensor) -> Result<Option<Tensor<'call>>> {
    if raw.handle.is_null() { Ok(None) } else { Tensor::from_raw(ops, raw).map(Some) }
}

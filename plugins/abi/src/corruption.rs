//! A corruption strategy: it decides, the host applies.
//!
//! A strategy describes itself and its parameters, is made from their values, and writes plans: small
//! host data that say what becomes of each token. The host carries a plan out with its own
//! operations on whatever device the run is on, so gradients come for free. A strategy that works on
//! features composes the host's operations on opaque handles ([`Ops`]).
//!
//! Arrays of a batch are row-major: entry `[b, i]` of a [B, L] array is at `b * L + i`. Patches are
//! counted row by row from the top left.

use crate::backend::{HostTensor, Op, Tensor};
use crate::{Error, Head, Opaque, Str};

/// The types of parameters.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// `Value::integer`, 0 or 1.
    Flag = 0,
    /// `Value::integer`.
    Integer = 1,
    /// `Value::real`.
    Real = 2,
    /// `Value::text`.
    Text = 3,
}

/// A parameter's value, in the field that its type says.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// A flag or an integer.
    pub integer: i64,
    /// A real number.
    pub real: f64,
    /// UTF-8 text; lent for the call where the host gives it.
    pub text: Str,
}

/// A parameter: a key of the recipe's table `[corruption]`. Immutable, for the life of the process.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Size and extensions.
    pub head: Head,
    /// The key: lower case letters, digits and `_`.
    pub name: Str,
    /// What it means, one line.
    pub doc: Str,
    /// A [`ParameterType`].
    pub kind: u32,
    /// Unused, 0.
    pub reserved: u32,
    /// The value where the recipe gives none.
    pub default: Value,
    /// The smallest value of a number; -inf for none.
    pub min: f64,
    /// The largest value of a number; inf for none.
    pub max: f64,
    /// The texts that are allowed, or null for all.
    pub choices: *const Str,
    /// How many.
    pub choice_count: usize,
}

// SAFETY: it points to immutable statics of a library that is never unloaded.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Sync for Parameter {}

/// The strategy's plans put noise on tokens, or its `apply` changes them: the recipe says where that
/// happens with the key `at`.
pub const INJECTS: u64 = 1;
/// It has `apply`.
pub const OPS: u64 = 2;
/// It has `observe` and `score`, since ABI 1.1.
pub const OBSERVES: u64 = 4;
/// Its masks are as likely at every position; the validator holds it to that.
pub const UNBIASED: u64 = 8;
/// Every image of a batch has the same number of masked tokens, as encoders need that drop them; the
/// host checks it.
pub const EQUAL_COUNTS: u64 = 16;
/// An image's plan depends on other images of the batch (mixing): batches are not split.
pub const MIXES: u64 = 32;

/// What a strategy says of itself. Immutable, for the life of the process.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Size and extensions.
    pub head: Head,
    /// Reverse domain name, as `org.example.blue-noise`; its last part is the short name in recipes.
    pub id: Str,
    /// Its version, as `1.2.0`.
    pub version: Str,
    /// One line for people.
    pub summary: Str,
    /// [`INJECTS`], [`OPS`], … together.
    pub capabilities: u64,
    /// Its parameters, each `parameter_size` bytes after the one before.
    pub parameters: *const Parameter,
    /// How many.
    pub parameter_count: usize,
    /// The size of a [`Parameter`] as the library knows it.
    pub parameter_size: usize,
}

// SAFETY: as for `Parameter`.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Sync for Description {}

/// A parameter's value, given to `create`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// The parameter's name.
    pub name: Str,
    /// Its value, of the described type and in the described range.
    pub value: Value,
}

/// Images, their patches and the encoder that sees them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Size and extensions.
    pub head: Head,
    /// Channels of an image.
    pub channels: u32,
    /// Height of an image in pixels.
    pub height: u32,
    /// Width of an image in pixels.
    pub width: u32,
    /// Side of a patch in pixels.
    pub patch: u32,
    /// Rows of patches.
    pub grid_h: u32,
    /// Columns of patches; L = `grid_h * grid_w`.
    pub grid_w: u32,
    /// Tokens in front of the patches (class token).
    pub prefix: u32,
    /// Width of a token, D.
    pub dim: u32,
    /// Number of blocks.
    pub depth: u32,
    /// Attention heads.
    pub heads: u32,
}

/// What a plan is a function of, besides the parameters; nothing else may enter it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest {
    /// Size and extensions.
    pub head: Head,
    /// Images, patches and encoder.
    pub geometry: *const Geometry,
    /// Images in the batch, B.
    pub batch: u32,
    /// Patches in an image, L.
    pub tokens: u32,
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step.
    pub step: u64,
    /// The number of the first image, counted over the run; the others follow.
    pub first_sample: u64,
    /// How much of the run is done, 0 to 1.
    pub progress: f64,
    /// What `score` gave for this batch, [B, L], or null. Since ABI 1.1.
    pub scores: *const f32,
}

/// A visible token: the encoder sees it as it is.
pub const VISIBLE: u8 = 0;
/// A masked token: hidden, and to be restored.
pub const MASKED: u8 = 1;
/// A visible token with noise on it.
pub const NOISED: u8 = 2;

/// `source` says where tokens come from.
pub const USES_SOURCE: u32 = 1;
/// Masked tokens are not replaced by the mask token: what `source` or the noise put there stays.
pub const SUBSTITUTIVE: u32 = 2;

/// A plan, in buffers of the host, which hold a plan that leaves every token alone.
///
/// A token z becomes `gain * z + noise * eps`, eps standard normal.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Size and extensions.
    pub head: Head,
    /// [`VISIBLE`], [`MASKED`] or [`NOISED`], [B, L].
    pub roles: *mut u8,
    /// The factor of the signal, [B, L]; 1 without noise.
    pub gain: *mut f32,
    /// The standard deviation of the noise, [B, L]; 0 without noise.
    pub noise: *mut f32,
    /// The token that each token is taken from before anything else, as `image * L + position` in this
    /// batch, [B, L]; read only with [`USES_SOURCE`].
    pub source: *mut u32,
    /// [`USES_SOURCE`], [`SUBSTITUTIVE`].
    pub flags: u32,
    /// Unused, 0.
    pub reserved: u32,
}

/// The host's operations, for the length of one call. Handles are numbers of the host; those of an
/// earlier call are refused. Nothing has to be given back. May be used only on the calling thread.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Ops {
    /// Size and extensions.
    pub head: Head,
    /// Passed back to each function.
    pub context: Opaque,
    /// Runs an operation of the list of operations on handles; writes up to `op.results` results and how many there
    /// are. Gradients are recorded. `random-normal` and `random-uniform` draw by Philox from the seed, the
    /// step and, where the first extent is the batch, each image's number.
    pub execute: unsafe extern "C" fn(
        context: Opaque,
        op: *const Op,
        inputs: *const Opaque,
        input_count: usize,
        results: *mut Tensor,
        count: *mut usize,
        error: *mut Error,
    ) -> u32,
    /// Copies elements to the device.
    pub upload: unsafe extern "C" fn(
        context: Opaque,
        data: *const HostTensor,
        tensor: *mut Tensor,
        error: *mut Error,
    ) -> u32,
    /// Copies a tensor's elements to `data`, which has room for `bytes`, its exact size. It waits for the device:
    /// keep it for small tensors.
    pub download: unsafe extern "C" fn(
        context: Opaque,
        tensor: Opaque,
        data: *mut u8,
        bytes: usize,
        error: *mut Error,
    ) -> u32,
    /// The same values without their history: no gradient flows back.
    pub detach:
        unsafe extern "C" fn(context: Opaque, tensor: Opaque, plain: *mut Tensor, error: *mut Error) -> u32,
}

/// What `apply` works on.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Application {
    /// Size and extensions.
    pub head: Head,
    /// The request of the plan.
    pub request: *const PlanRequest,
    /// The plan, to read.
    pub plan: *const Plan,
    /// The tokens where the injection happens: patches [B, L, C p p] on pixels, [B, L, D] on the embedding,
    /// [B, `prefix` + K, D] before a block, K the tokens that the encoder keeps.
    pub tokens: Tensor,
    /// Tokens in front of the patches in `tokens`.
    pub prefix: u32,
    /// 0 pixels, 1 embedding, 2 before a block.
    pub place: u32,
    /// The positions of the kept patches, i64 [B, K]; a null handle where all L are there.
    pub kept: Tensor,
    /// The plan's gain for each of `tokens`, [B, N, 1]; a null handle without noise in the plan.
    pub gain: Tensor,
    /// The plan's noise for each of `tokens`, standard deviation times eps, [B, N, D]; as above.
    pub noise: Tensor,
}

/// What a strategy looks at before it plans. No gradient flows through it.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Clean patches [B, L, C p p].
    Pixels = 0,
    /// Clean embedded patches [B, L, D].
    Embedding = 1,
    /// The clean tokens [B, prefix + L, D] after a block.
    Features = 2,
    /// The attention probabilities [B, heads, prefix + L, prefix + L] of a block on clean images.
    Attention = 3,
}

/// The functions of a strategy. Each but `destroy` returns a [`crate::Code`]. All but `create` and `destroy` may be called from
/// several threads at once.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Size and extensions.
    pub head: Head,
    /// What it is; readable without a call.
    pub description: *const Description,
    /// Makes a strategy of a value for each parameter.
    pub create: unsafe extern "C" fn(
        arguments: *const Argument,
        argument_count: usize,
        instance: *mut Opaque,
        error: *mut Error,
    ) -> u32,
    /// Gives it back.
    pub destroy: unsafe extern "C" fn(instance: Opaque),
    /// Refuses a geometry that it can't serve, before training starts. May be null.
    pub check:
        Option<unsafe extern "C" fn(instance: Opaque, geometry: *const Geometry, error: *mut Error) -> u32>,
    /// Writes the plan of a batch: a pure function of parameters and request. No clock, no state, no
    /// randomness but Philox keyed by the request.
    pub plan: unsafe extern "C" fn(
        instance: Opaque,
        request: *const PlanRequest,
        plan: *mut Plan,
        error: *mut Error,
    ) -> u32,
    /// Corrupts tokens with the host's operations: a tensor of `tokens`' shape and type. With [`OPS`], else null.
    pub apply: Option<
        unsafe extern "C" fn(
            instance: Opaque,
            ops: *const Ops,
            application: *const Application,
            result: *mut Tensor,
            error: *mut Error,
        ) -> u32,
    >,
    /// What it looks at: an [`Observation`], and of which block, counted from 0; from the last one where it is
    /// negative, -1 the last. With [`OBSERVES`], else null. Since ABI 1.1.
    pub observe: Option<
        unsafe extern "C" fn(instance: Opaque, what: *mut u32, block: *mut i32, error: *mut Error) -> u32,
    >,
    /// Scores [B, L] in f32 of what it looked at; they come back as `PlanRequest::scores`. With [`OBSERVES`], else
    /// null. Since ABI 1.1.
    pub score: Option<
        unsafe extern "C" fn(
            instance: Opaque,
            ops: *const Ops,
            observed: *const Tensor,
            geometry: *const Geometry,
            scores: *mut Tensor,
            error: *mut Error,
        ) -> u32,
    >,
}

// SAFETY: a table is an immutable static of a library that is never unloaded.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Sync for Table {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "shares a pointer to what never changes")]
unsafe impl Send for Table {}

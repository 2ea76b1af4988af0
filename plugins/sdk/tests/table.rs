//! A strategy through its C table, as a host of any version would call it.
#![allow(unsafe_code, reason = "plays the host")]

use std::mem::offset_of;
use std::ptr;

use palimpsest_abi::corruption::{self as c, Argument, Table, Value};
use palimpsest_abi::{Code, Error as CError, Head, Opaque, Str};
use palimpsest_sdk::prelude::*;

/// Masks tokens, and panics on demand.
#[derive(Parameters)]
struct Moody {
    /// Share of the tokens.
    #[param(default = 0.5, range = 0.0..=1.0)]
    ratio: f64,
    /// What goes wrong.
    #[param(default = "nothing", choices = ["nothing", "panic", "noise", "uneven", "mixed"])]
    mood: String,
}

impl Corruption for Moody {
    const ID: &'static str = "org.palimpsest.test.moody";
    const SUMMARY: &'static str = "fails on demand";
    const EQUAL_COUNTS: bool = true;

    fn check(&self, geometry: &Geometry) -> Result<()> {
        if geometry.grid_h == 1 {
            return Err(Error::user("a single row").at("encoder.patch").help("choose a smaller patch"));
        }
        Ok(())
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let count = (self.ratio * request.tokens as f64) as usize;
        for mut image in plan.images() {
            let first = if image.scores().is_some() { 1 } else { 0 };
            (first..first + count).for_each(|token| image.mask(token));
        }
        match self.mood.as_str() {
            "panic" => panic!("in a bad mood at step {}", request.step),
            "noise" => plan.image(0).add_noise(0, 1.0, 0.5),
            "uneven" => plan.image(0).mask(request.tokens - 1),
            "mixed" => plan.take(0, 0, (1, 0)),
            _ => {}
        }
        Ok(())
    }
}

fn table() -> &'static Table {
    palimpsest_sdk::__strategy_table!(Moody)
}

fn value() -> Value {
    Value { integer: 0, real: 0.0, text: Str::of("") }
}

fn text(error: &CError) -> String {
    let part = |bytes: &[u8], len: u32| String::from_utf8(bytes[..len as usize].to_vec()).unwrap();
    format!(
        "{}|{}|{}",
        part(&error.place, error.place_len),
        part(&error.message, error.message_len),
        part(&error.mend, error.mend_len)
    )
}

fn create(arguments: &[Argument]) -> (u32, Opaque, CError) {
    let (mut instance, mut error) = (ptr::null_mut(), CError::new());
    // SAFETY: everything lent lives until the call returns.
    let code =
        unsafe { (table().create)(arguments.as_ptr(), arguments.len(), &raw mut instance, &raw mut error) };
    (code, instance, error)
}

fn moody(mood: &'static str) -> Opaque {
    let argument = Argument { name: Str::of("mood"), value: Value { text: Str::of(mood), ..value() } };
    let (code, instance, error) = create(&[argument]);
    assert_eq!(code, Code::Ok as u32, "{}", text(&error));
    instance
}

const GEOMETRY: c::Geometry = c::Geometry {
    head: Head::of::<c::Geometry>(),
    channels: 3,
    height: 8,
    width: 8,
    patch: 4,
    grid_h: 2,
    grid_w: 2,
    prefix: 1,
    dim: 16,
    depth: 2,
    heads: 2,
};

fn request(geometry: *const c::Geometry) -> c::PlanRequest {
    c::PlanRequest {
        head: Head::of::<c::PlanRequest>(),
        geometry,
        batch: 2,
        tokens: 4,
        seed: 1,
        step: 7,
        first_sample: 0,
        progress: 0.0,
        scores: ptr::null(),
    }
}

struct Buffers {
    roles: [u8; 8],
    gain: [f32; 8],
    noise: [f32; 8],
    source: [u32; 8],
}

impl Buffers {
    fn new() -> Self {
        Self { roles: [0; 8], gain: [1.0; 8], noise: [0.0; 8], source: [9; 8] }
    }

    fn plan(&mut self) -> c::Plan {
        c::Plan {
            head: Head::of::<c::Plan>(),
            roles: self.roles.as_mut_ptr(),
            gain: self.gain.as_mut_ptr(),
            noise: self.noise.as_mut_ptr(),
            source: self.source.as_mut_ptr(),
            flags: 0,
            reserved: 0,
        }
    }
}

/// Plans with a request and a plan that the caller may have changed.
fn plan(instance: Opaque, request: *const c::PlanRequest, plan: *mut c::Plan) -> (u32, String) {
    let mut error = CError::new();
    // SAFETY: what each test passes is null or as long as its head says.
    let code = unsafe { (table().plan)(instance, request, plan, &raw mut error) };
    (code, text(&error))
}

#[test]
fn a_plan_is_written() {
    let (instance, mut buffers, request) = (moody("nothing"), Buffers::new(), request(&GEOMETRY));
    let mut out = buffers.plan();
    assert_eq!(plan(instance, &raw const request, &raw mut out), (0, "||".to_owned()));
    assert_eq!((buffers.roles, out.flags), ([1, 1, 0, 0, 1, 1, 0, 0], 0));
    // SAFETY: made by `create`, given back once.
    unsafe { (table().destroy)(instance) };
}

#[test]
fn the_description_follows_from_what_is_implemented() {
    // SAFETY: a static.
    let description = unsafe { &*table().description };
    assert_eq!(description.capabilities, c::EQUAL_COUNTS);
    assert!(table().apply.is_none() && table().observe.is_none() && table().score.is_none());
    assert_eq!((description.parameter_count, description.parameter_size), (2, 120));
}

#[test]
fn arguments_are_checked() {
    let argument = |name, value| [Argument { name: Str::of(name), value }];
    for (name, given, want) in [
        ("ratio", Value { real: 1.5, ..value() }, "ratio|1.5 is out of range|choose a value from 0 to 1"),
        (
            "ratio",
            Value { real: f64::NAN, ..value() },
            "ratio|NaN is out of range|choose a value from 0 to 1",
        ),
        ("rato", value(), "|unknown parameter `rato`|use one of: ratio, mood"),
        (
            "mood",
            Value { text: Str::of("sad"), ..value() },
            "mood|unknown choice `sad`|use one of: nothing, panic, noise, uneven, mixed",
        ),
    ] {
        let (code, instance, error) = create(&argument(name, given));
        assert_eq!((code, text(&error).as_str()), (Code::User as u32, want));
        assert!(instance.is_null());
    }
}

#[test]
fn a_geometry_is_refused_with_its_help() {
    let (instance, mut error) = (moody("nothing"), CError::new());
    let geometry = c::Geometry { grid_h: 1, ..GEOMETRY };
    // SAFETY: everything lent lives until the call returns.
    let code = unsafe { table().check.unwrap()(instance, &raw const geometry, &raw mut error) };
    let want = "encoder.patch|a single row|choose a smaller patch";
    assert_eq!((code, text(&error).as_str()), (Code::User as u32, want));
}

#[test]
fn a_panic_poisons_its_instance_alone() {
    let (bad, good) = (moody("panic"), moody("nothing"));
    let request = request(&GEOMETRY);
    let call = |instance| plan(instance, &raw const request, &mut Buffers::new().plan());
    assert_eq!(call(bad), (Code::Panic as u32, "|in a bad mood at step 7|".to_owned()));
    let (code, message) = call(bad);
    assert_eq!(code, Code::Poisoned as u32, "{message}");
    assert_eq!(call(good).0, Code::Ok as u32);
}

#[test]
fn promises_are_kept() {
    let request = request(&GEOMETRY);
    for (mood, want) in [("noise", "INJECTS"), ("uneven", "EQUAL_COUNTS"), ("mixed", "MIXES")] {
        let mut buffers = Buffers::new();
        let (code, message) = plan(moody(mood), &raw const request, &mut buffers.plan());
        assert_eq!(code, Code::Failure as u32);
        assert!(message.contains(want), "{message}");
    }
}

#[test]
fn nulls_are_errors() {
    let (instance, good) = (moody("nothing"), request(&GEOMETRY));
    let failed = |(code, message): (u32, String), want: &str| {
        assert_eq!((code, message), (Code::Failure as u32, format!("|the host gave no {want}|")));
    };
    let mut buffers = Buffers::new();
    failed(plan(ptr::null_mut(), &raw const good, &mut buffers.plan()), "instance");
    failed(plan(instance, ptr::null(), &mut buffers.plan()), "PlanRequest");
    failed(plan(instance, &raw const good, ptr::null_mut()), "Plan");
    failed(plan(instance, &request(ptr::null()), &mut buffers.plan()), "Geometry");
    let mut without = c::Plan { roles: ptr::null_mut(), ..buffers.plan() };
    failed(plan(instance, &raw const good, &raw mut without), "roles");
    // An error that has no place is told by the code.
    // SAFETY: null is allowed.
    let code = unsafe { (table().plan)(instance, ptr::null(), ptr::null_mut(), ptr::null_mut()) };
    assert_eq!(code, Code::Failure as u32);
    // SAFETY: as above.
    unsafe { (table().destroy)(ptr::null_mut()) };
}

#[test]
fn a_smaller_host_is_not_read_past_its_size() {
    // A host of ABI 1.0: behind its request lies something else, where `scores` is now.
    let scores = [0.0_f32; 8];
    let whole = c::PlanRequest { scores: scores.as_ptr(), ..request(&GEOMETRY) };
    let instance = moody("nothing");
    for (size, first) in [(size_of::<c::PlanRequest>(), 1), (offset_of!(c::PlanRequest, scores), 0)] {
        let mut short = whole;
        short.head.size = size;
        let mut buffers = Buffers::new();
        assert_eq!(plan(instance, &raw const short, &mut buffers.plan()).0, Code::Ok as u32);
        assert_eq!(buffers.roles[0] == 0, first == 1, "scores are seen with {size} bytes alone");
    }
    let mut older = whole;
    older.head.size = 40;
    let (code, message) = plan(instance, &raw const older, &mut Buffers::new().plan());
    assert_eq!(code, Code::Failure as u32);
    assert!(message.contains("the host's PlanRequest has 40 bytes; at least 64 are needed"), "{message}");
}

#[test]
fn a_larger_host_is_served() {
    #[repr(C)]
    struct Larger<T> {
        known: T,
        more: [u64; 4],
    }
    let more = [u64::MAX; 4];
    let mut request = Larger { known: request(&GEOMETRY), more };
    request.known.head.size = size_of_val(&request);
    let mut buffers = Buffers::new();
    let mut out = Larger { known: buffers.plan(), more };
    out.known.head.size = size_of_val(&out);
    let code = plan(moody("nothing"), (&raw const request).cast(), (&raw mut out).cast()).0;
    assert_eq!(code, Code::Ok as u32);
    assert_eq!((out.more, request.more), (more, more));
}

#[test]
fn a_short_error_is_left_alone() {
    // It says that there is room for the head alone; what lies behind must not change.
    let mut error = CError::new();
    error.head.size = size_of::<Head>();
    error.message_len = 77;
    // SAFETY: a writable error; its head says how much of it there is.
    let code = unsafe { (table().plan)(ptr::null_mut(), ptr::null(), ptr::null_mut(), &raw mut error) };
    assert_eq!((code, error.message_len), (Code::Failure as u32, 77));
}

#[test]
fn threads_may_share_an_instance() {
    let handle = moody("nothing") as usize;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                for _ in 0..1000 {
                    let request = request(&GEOMETRY);
                    let mut buffers = Buffers::new();
                    let made = plan(handle as Opaque, &raw const request, &mut buffers.plan());
                    assert_eq!(made.0, Code::Ok as u32);
                }
            });
        }
    });
}

//! A strategy of a library, called as C has it.
#![allow(unsafe_code, reason = "calls the functions of a library")]

use std::fmt;
use std::sync::Arc;

use palimpsest_abi::corruption::{self as abi, Argument, Value};
use palimpsest_abi::{Code, Error as CError, Opaque, Str};
use palimpsest_core::plugin::{Parameter, Setting, StrategyLibrary};

use crate::buffers::Plan;
use crate::outcome::Finding;
use crate::request::Request;

/// An answer of a library that is not `Ok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn read(code: u32, error: &CError) -> Result<(), Self> {
        if code == Code::Ok as u32 {
            return Ok(());
        }
        let text = |bytes: &[u8], len: u32| {
            String::from_utf8_lossy(&bytes[..bytes.len().min(len as usize)]).into_owned()
        };
        let parts = [text(&error.place, error.place_len), text(&error.message, error.message_len)];
        let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Err(Self { code, message: said.join(": ") })
    }

    /// It says that the user can fix it, and how it came to that.
    pub(crate) fn is_user(&self) -> bool {
        self.code == Code::User as u32 && !self.message.is_empty()
    }

    pub(crate) fn is_panic(&self) -> bool {
        self.code == Code::Panic as u32
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.code == Code::Poisoned as u32
    }

    /// As a finding about a call that should have gone well.
    pub(crate) fn finding(&self, location: impl Into<String>, help: &str) -> Finding {
        Finding::new(location, self.to_string(), help)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.code {
            c if c == Code::User as u32 => "refuses",
            c if c == Code::Failure as u32 => "fails",
            c if c == Code::Panic as u32 => "panics",
            c if c == Code::Poisoned as u32 => "is poisoned",
            other => return write!(f, "answers with the unknown code {other}"),
        };
        match self.message.as_str() {
            "" => write!(f, "{what} without a word"),
            message => write!(f, "{what}: {message}"),
        }
    }
}

/// Values as a library takes them; they borrow from both.
pub(crate) fn arguments(parameters: &[Parameter], values: &[Setting]) -> Vec<Argument> {
    parameters.iter().zip(values).map(|(parameter, value)| argument(parameter.name, value)).collect()
}

/// A value as a library takes it; it borrows from both.
pub(crate) fn argument(name: &str, setting: &Setting) -> Argument {
    let lend = |text: &str| Str { ptr: text.as_ptr(), len: text.len() };
    let mut value = Value { integer: 0, real: 0.0, text: lend("") };
    match setting {
        Setting::Flag(x) => value.integer = i64::from(*x),
        Setting::Integer(x) => value.integer = *x,
        Setting::Real(x) => value.real = *x,
        Setting::Text(x) => value.text = lend(x),
    }
    Argument { name: lend(name), value }
}

/// A strategy. It is given back when dropped.
pub(crate) struct Instance {
    pub(crate) library: Arc<StrategyLibrary>,
    pointer: Opaque,
}

// SAFETY: the contract lets every function but `create` and `destroy` be called from several threads at
// once, and `destroy` is called once, when nobody else has the strategy.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Drop for Instance {
    fn drop(&mut self) {
        let _call = self.library.calling("`destroy`");
        // SAFETY: `create` made it, and it is given back once.
        unsafe { (self.library.table().destroy)(self.pointer) };
    }
}

impl Instance {
    /// A strategy of a value for each parameter.
    pub(crate) fn create(library: &Arc<StrategyLibrary>, values: &[Setting]) -> Result<Self, Refusal> {
        Self::of_arguments(library, &arguments(library.described(), values))
    }

    /// A strategy of any arguments.
    pub(crate) fn of_arguments(
        library: &Arc<StrategyLibrary>,
        arguments: &[Argument],
    ) -> Result<Self, Refusal> {
        let (mut pointer, mut error): (Opaque, _) = (std::ptr::null_mut(), CError::new());
        let _call = library.calling("`create`");
        // SAFETY: the arguments are lent for the call; the instance goes to `destroy`.
        let code = unsafe {
            (library.table().create)(arguments.as_ptr(), arguments.len(), &raw mut pointer, &raw mut error)
        };
        Refusal::read(code, &error)?;
        Ok(Self { library: library.clone(), pointer })
    }

    /// The library's object.
    pub(crate) fn pointer(&self) -> Opaque {
        self.pointer
    }

    /// Whether it takes a geometry.
    pub(crate) fn check(&self, geometry: &abi::Geometry) -> Result<(), Refusal> {
        let Some(check) = self.library.table().check else { return Ok(()) };
        let mut error = CError::new();
        let _call = self.library.calling("`check`");
        // SAFETY: an instance of this library; the rest is lent for the call.
        let code = unsafe { check(self.pointer, geometry, &raw mut error) };
        Refusal::read(code, &error)
    }

    /// Its plan for a request, in buffers that are used again.
    pub(crate) fn plan_into(&self, request: &Request, plan: &mut Plan) -> Result<(), Refusal> {
        plan.reset(request.batch as usize, request.tokens());
        let (asked, mut buffers, mut error) = (request.lend(), plan.lend(), CError::new());
        // SAFETY: the buffers have room for [B, L]; everything is lent for the call.
        let code = unsafe { self.plan_raw(&raw const asked, &raw mut buffers, &raw mut error) };
        plan.flags = buffers.flags;
        Refusal::read(code, &error)
    }

    /// Its plan for a request.
    pub(crate) fn plan(&self, request: &Request) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        self.plan_into(request, &mut plan)?;
        Ok(plan)
    }

    /// Its plan, into any memory.
    ///
    /// # Safety
    /// As the contract asks of a host.
    pub(crate) unsafe fn plan_raw(
        &self,
        request: *const abi::PlanRequest,
        plan: *mut abi::Plan,
        error: *mut CError,
    ) -> u32 {
        let _call = self.library.calling("`plan`");
        // SAFETY: the caller's promise.
        unsafe { (self.library.table().plan)(self.pointer, request, plan, error) }
    }
}

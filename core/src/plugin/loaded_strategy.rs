//! A strategy that a library made, as core's trait.
#![allow(unsafe_code, reason = "calls the functions of a library")]

use std::ptr::null;
use std::sync::Arc;

use palimpsest_abi::corruption as abi;
use palimpsest_abi::{Code, Error as CError, Head, Opaque};

use super::failure;
use super::identity::PluginIdentity;
use super::operations::Operations;
use super::parameter::{Setting, arguments};
use super::strategy_library::StrategyLibrary;
use crate::corruption::{
    Application, Corruption, CorruptionPlan, Injection, Observation, PlanRequest, Role, entrance,
};
use crate::geometry::Geometry;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// A strategy of a library.
pub struct LoadedStrategy {
    library: Arc<StrategyLibrary>,
    instance: Opaque,
    /// Where the recipe wants its noise or operations; `None` follows `[noise]`.
    at: Option<Injection>,
}

// SAFETY: the contract lets every function but `create` and `destroy` be called from several threads at
// once, and `destroy` is called once, when nobody else has the strategy.
unsafe impl Send for LoadedStrategy {}
// SAFETY: as above.
unsafe impl Sync for LoadedStrategy {}

impl Drop for LoadedStrategy {
    fn drop(&mut self) {
        let _call = self.library.calling("`destroy`");
        // SAFETY: `create` made it, and it is given back once.
        unsafe { (self.library.table().destroy)(self.instance) };
    }
}

impl LoadedStrategy {
    /// A strategy of a value for each parameter.
    ///
    /// # Errors
    /// The library's refusal.
    pub fn create(library: Arc<StrategyLibrary>, values: &[Setting], at: Option<Injection>) -> Result<Self> {
        let arguments = arguments(library.described(), values);
        let mut instance: Opaque = std::ptr::null_mut();
        let mut error = CError::new();
        let call = library.calling("`create`");
        // SAFETY: the arguments are lent for the call; the instance goes to `destroy`.
        let code = unsafe {
            (library.table().create)(arguments.as_ptr(), arguments.len(), &raw mut instance, &raw mut error)
        };
        drop(call);
        if code != Code::Ok as u32 {
            return Err(failure::read(code, &error, &who(&library)));
        }
        Ok(Self { library, instance, at })
    }

    fn done(&self, code: u32, error: &CError) -> Result<()> {
        if code == Code::Ok as u32 {
            return Ok(());
        }
        Err(failure::read(code, error, &who(&self.library)))
    }

    fn faulty(&self, what: String) -> Error {
        Error::failure(format!("the {} {what}", who(&self.library)))
            .help(format!("check it: cargo xtask plugin validate {}", self.library.path().display()))
    }

    fn says(&self, capability: u64) -> bool {
        self.library.capabilities() & capability != 0
    }

    /// Writes what the library put into a plan's buffers back into the plan.
    fn take(&self, plan: &mut CorruptionPlan, roles: &[u8], source: Vec<u32>, flags: u32) -> Result<()> {
        // Without early ends, here and below, so that it is a few instructions for many tokens.
        let highest = roles.iter().fold(0, |highest, &code| highest.max(code));
        if highest > abi::NOISED {
            let i = roles.iter().position(|&code| code == highest).unwrap_or_default();
            let (image, token) = (i / plan.tokens, i % plan.tokens);
            return Err(
                self.faulty(format!("gave token {token} of image {image} the unknown role {highest}"))
            );
        }
        for (role, &code) in plan.roles.iter_mut().zip(roles) {
            *role = match code {
                abi::MASKED => Role::Masked,
                abi::NOISED => Role::Noised,
                _ => Role::Visible,
            };
        }
        if flags & !(abi::USES_SOURCE | abi::SUBSTITUTIVE) != 0 {
            return Err(self.faulty(format!("set unknown flags in a plan: {flags:#x}")));
        }
        plan.substitutive = flags & abi::SUBSTITUTIVE != 0;
        plan.source = (flags & abi::USES_SOURCE != 0).then_some(source);
        let levels = plan.signal.iter().zip(&plan.sigma);
        if !self.says(abi::INJECTS) && levels.fold(false, |noisy, (&a, &s)| noisy | (a != 1.0) | (s != 0.0)) {
            return Err(self.faulty("puts noise on tokens and doesn't say so in its capabilities".to_owned()));
        }
        plan.check().map_err(|e| self.faulty(format!("failed: {}", e.message())))?;
        let strays = |(to, &from): (usize, &u32)| to / plan.tokens != from as usize / plan.tokens;
        if !self.says(abi::MIXES) && plan.source.iter().flatten().enumerate().any(strays) {
            return Err(self
                .faulty("takes tokens from other images and doesn't say so in its capabilities".to_owned()));
        }
        let masked = |image: usize| plan.image(image).iter().filter(|&&role| role == Role::Masked).count();
        let mut counts = (0..plan.batch).map(masked);
        let first = counts.next();
        if self.says(abi::EQUAL_COUNTS) && counts.any(|count| Some(count) != first) {
            plan.kept().map_err(|e| self.faulty(format!("promised equal counts: {}", e.message())))?;
        }
        Ok(())
    }
}

/// Its name in messages.
fn who(library: &StrategyLibrary) -> String {
    let identity = library.identity();
    format!("plug-in {} {}", identity.id, identity.version)
}

fn geometry_out(geometry: &Geometry) -> abi::Geometry {
    abi::Geometry {
        head: Head::of::<abi::Geometry>(),
        channels: geometry.channels as u32,
        height: geometry.height as u32,
        width: geometry.width as u32,
        patch: geometry.patch as u32,
        grid_h: geometry.grid_h() as u32,
        grid_w: geometry.grid_w() as u32,
        prefix: geometry.prefix as u32,
        dim: geometry.dim as u32,
        depth: geometry.depth as u32,
        heads: geometry.heads as u32,
    }
}

/// The request as C has it; it borrows from both.
fn request_out(request: &PlanRequest<'_>, geometry: &abi::Geometry) -> abi::PlanRequest {
    abi::PlanRequest {
        head: Head::of::<abi::PlanRequest>(),
        geometry,
        batch: request.batch as u32,
        tokens: request.geometry.tokens() as u32,
        seed: request.seed,
        step: request.step,
        first_sample: request.first_sample,
        progress: f64::from(request.progress),
        scores: request.scores.map_or(null(), <[f32]>::as_ptr),
    }
}

impl Corruption for LoadedStrategy {
    fn check(&self, geometry: &Geometry) -> Result<()> {
        let Some(check) = self.library.table().check else { return Ok(()) };
        let (geometry, mut error) = (geometry_out(geometry), CError::new());
        let call = self.library.calling("`check`");
        // SAFETY: an instance of this library; the rest is lent for the call.
        let code = unsafe { check(self.instance, &raw const geometry, &raw mut error) };
        drop(call);
        self.done(code, &error)
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut CorruptionPlan) -> Result<()> {
        let geometry = geometry_out(request.geometry);
        let c_request = request_out(request, &geometry);
        let count = plan.batch * plan.tokens;
        let mut roles = vec![abi::VISIBLE; count];
        let mut source: Vec<u32> = (0..count as u32).collect();
        let mut buffers = abi::Plan {
            head: Head::of::<abi::Plan>(),
            roles: roles.as_mut_ptr(),
            gain: plan.signal.as_mut_ptr(),
            noise: plan.sigma.as_mut_ptr(),
            source: source.as_mut_ptr(),
            flags: 0,
            reserved: 0,
        };
        let mut error = CError::new();
        let call = self.library.calling("`plan`");
        // SAFETY: an instance of this library; the buffers have room for [B, L] and outlive the call.
        let code = unsafe {
            (self.library.table().plan)(self.instance, &raw const c_request, &raw mut buffers, &raw mut error)
        };
        drop(call);
        self.done(code, &error)?;
        self.take(plan, &roles, source, buffers.flags)
    }

    fn injection(&self, noise: Option<Injection>) -> Result<Option<Injection>> {
        if !self.library.injects() {
            return Ok(None);
        }
        entrance(self.at, noise).map(Some)
    }

    fn apply(&self, application: &Application<'_>) -> Result<Option<Tensor>> {
        let Some(apply) = self.library.table().apply.filter(|_| self.says(abi::OPS)) else { return Ok(None) };
        let (request, plan) = (&application.request, application.plan);
        let geometry = geometry_out(request.geometry);
        let c_request = request_out(request, &geometry);
        let roles: Vec<u8> = plan.roles.iter().map(|&role| role as u8).collect();
        let c_plan = abi::Plan {
            head: Head::of::<abi::Plan>(),
            // To read: the contract says so, and these are no buffers that the host goes on with.
            roles: roles.as_ptr().cast_mut(),
            gain: plan.signal.as_ptr().cast_mut(),
            noise: plan.sigma.as_ptr().cast_mut(),
            source: plan.source.as_ref().map_or(std::ptr::null_mut(), |s| s.as_ptr().cast_mut()),
            flags: if plan.source.is_some() { abi::USES_SOURCE } else { 0 }
                | if plan.substitutive { abi::SUBSTITUTIVE } else { 0 },
            reserved: 0,
        };
        let tokens = application.tokens;
        let operations = Operations::new(tokens.device(), request);
        let enter = |tensor: Option<&Tensor>| match tensor {
            Some(tensor) => operations.enter(tensor.clone()),
            None => Ok(palimpsest_abi::backend::Tensor::none()),
        };
        let noise = application.noise;
        let c_application = abi::Application {
            head: Head::of::<abi::Application>(),
            request: &raw const c_request,
            plan: &raw const c_plan,
            tokens: enter(Some(tokens))?,
            prefix: application.prefix as u32,
            place: match application.site.into() {
                Injection::Pixels => 0,
                Injection::Embedding => 1,
                Injection::Block(_) => 2,
            },
            kept: enter(application.kept)?,
            gain: enter(noise.map(|noise| &noise.signal))?,
            noise: enter(noise.map(|noise| &noise.noise))?,
        };
        let mut result = palimpsest_abi::backend::Tensor::none();
        let mut error = CError::new();
        let ops = operations.table();
        let call = self.library.calling("`apply`");
        // SAFETY: an instance of this library; everything else is lent for the call, and handles are checked.
        let code = unsafe {
            apply(self.instance, &raw const ops, &raw const c_application, &raw mut result, &raw mut error)
        };
        drop(call);
        self.done(code, &error)?;
        let result = operations.leave(result.handle).map_err(|e| self.faulty(e.message().to_owned()))?;
        if (result.shape(), result.dtype()) != (tokens.shape(), tokens.dtype()) {
            return Err(self.faulty(format!(
                "made tokens {}{} of {}{}",
                result.dtype(),
                result.shape(),
                tokens.dtype(),
                tokens.shape()
            )));
        }
        Ok(Some(result))
    }

    fn observes(&self) -> Result<Option<Observation>> {
        let Some(observe) = self.library.table().observe.filter(|_| self.says(abi::OBSERVES)) else {
            return Ok(None);
        };
        let (mut what, mut block, mut error) = (0, -1, CError::new());
        let call = self.library.calling("`observe`");
        // SAFETY: an instance of this library, and places for its answer.
        let code = unsafe { observe(self.instance, &raw mut what, &raw mut block, &raw mut error) };
        drop(call);
        self.done(code, &error)?;
        match what {
            x if x == abi::Observation::Pixels as u32 => Ok(Some(Observation::Pixels)),
            x if x == abi::Observation::Embedding as u32 => Ok(Some(Observation::Embedding)),
            x if x == abi::Observation::Features as u32 => Ok(Some(Observation::Features(block))),
            x if x == abi::Observation::Attention as u32 => Ok(Some(Observation::Attention(block))),
            other => Err(self.faulty(format!("wants to look at the unknown thing {other}"))),
        }
    }

    fn score(&self, observed: &Tensor, geometry: &Geometry) -> Result<Tensor> {
        let Some(score) = self.library.table().score else {
            return Err(self.faulty("has no `score`".to_owned()));
        };
        let c_geometry = geometry_out(geometry);
        let batch = observed.shape().dims().first().copied().unwrap_or_default();
        // Scores draw nothing that depends on the step: they are a function of what is seen.
        let request =
            PlanRequest { geometry, batch, seed: 0, step: 0, first_sample: 0, progress: 0.0, scores: None };
        let operations = Operations::new(observed.device(), &request);
        let seen = operations.enter(observed.clone())?;
        let mut result = palimpsest_abi::backend::Tensor::none();
        let mut error = CError::new();
        let ops = operations.table();
        let call = self.library.calling("`score`");
        // SAFETY: as in `apply`.
        let code = unsafe {
            score(
                self.instance,
                &raw const ops,
                &raw const seen,
                &raw const c_geometry,
                &raw mut result,
                &raw mut error,
            )
        };
        drop(call);
        self.done(code, &error)?;
        let result = operations.leave(result.handle).map_err(|e| self.faulty(e.message().to_owned()))?;
        if result.shape().dims() != [batch, geometry.tokens()] || !result.dtype().is_float() {
            return Err(self.faulty(format!(
                "scored {}{}, not floats [{batch}, {}]",
                result.dtype(),
                result.shape(),
                geometry.tokens()
            )));
        }
        Ok(result)
    }

    fn mixes(&self) -> bool {
        self.says(abi::MIXES)
    }

    fn works_on_tensors(&self) -> Result<bool> {
        Ok(self.says(abi::OPS) || self.says(abi::OBSERVES))
    }

    fn plugin(&self) -> Option<&PluginIdentity> {
        Some(self.library.identity())
    }
}

//! A batch to try a strategy on.
#![allow(unsafe_code, reason = "calls the strategy's C functions")]

use std::marker::PhantomData;
use std::ptr;

use palimpsest_abi::corruption as c;
use palimpsest_abi::{self as abi, Code, Head, Opaque};

use super::array::Array;
use super::host::Host;
use crate::application::Injection;
use crate::export::{failure, functions};
use crate::geometry::Geometry;
use crate::plan::Role;
use crate::strategy::{Apply, Corruption, Observe};
use crate::{Error, Result};

/// A batch to try a strategy on: what a plan is a function of.
#[derive(Debug, Clone)]
pub struct Case {
    /// Images, patches and encoder.
    pub geometry: Geometry,
    /// Images in the batch, B.
    pub batch: usize,
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step.
    pub step: u64,
    /// The number of the first image.
    pub first_sample: u64,
    /// How much of the run is done, 0 to 1.
    pub progress: f64,
    /// What `score` gave, [B, L].
    pub scores: Option<Vec<f32>>,
}

/// A plan that a strategy wrote, of B images with L tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Patches in an image, L.
    pub tokens: usize,
    /// [B, L]
    pub roles: Vec<Role>,
    /// The factor of each token's signal, [B, L].
    pub gain: Vec<f32>,
    /// The standard deviation of each token's noise, [B, L].
    pub noise: Vec<f32>,
    /// Where each token is taken from, as `image * L + position`, [B, L], if tokens move.
    pub source: Option<Vec<u32>>,
    /// Whether masked tokens are not replaced by the mask token.
    pub substitutive: bool,
}

impl Planned {
    /// How many tokens of an image are masked.
    pub fn masked(&self, image: usize) -> usize {
        let roles = &self.roles[image * self.tokens..(image + 1) * self.tokens];
        roles.iter().filter(|&&role| role == Role::Masked).count()
    }
}

impl Case {
    /// At the run's first step and first image.
    pub fn new(geometry: Geometry, batch: usize, seed: u64) -> Self {
        Self { geometry, batch, seed, step: 0, first_sample: 0, progress: 0.0, scores: None }
    }

    /// What the strategy's `check`, then its `plan` make of it.
    ///
    /// # Errors
    /// What the strategy answers, a panic of its, or a plan that breaks the rules.
    pub fn plan<T: Corruption>(&self, strategy: T) -> Result<Planned> {
        self.plan_on(&Instance::new(strategy))
    }

    /// What the strategy's `apply` makes of tokens, after its `plan`.
    ///
    /// `tokens` is [B, prefix + L, W], where `place` is a block, else [B, L, W].
    ///
    /// # Errors
    /// What the strategy answers, a panic of its, or a plan that breaks the rules.
    pub fn apply<T: Apply>(&self, strategy: T, injection: Injection, tokens: &Array) -> Result<Array> {
        let instance = Instance::new(strategy);
        let mut planned = self.plan_on(&instance)?;
        let prefix = if injection == Injection::Block { self.geometry.prefix } else { 0 };
        let due = [self.batch, prefix + self.geometry.tokens()];
        if tokens.shape.len() != 3 || tokens.shape[..2] != due {
            return Err(Error::user(format!("tokens of shape {:?}", tokens.shape))
                .help(format!("make them [{}, {}, W]", due[0], due[1])));
        }
        let host = Host::new(self);
        let none = abi::backend::Tensor::none();
        let (mut gain, mut noise, mut out) = (none, none, none);
        if planned.noise.iter().any(|&s| s != 0.0) {
            let made = host.noise(&planned, prefix, tokens);
            (gain, noise) = (host.give(made.0), host.give(made.1));
        }
        let geometry = self.c_geometry();
        let (request, plan, ops) = (self.c_request(&geometry), planned.c_plan(), host.table());
        let application = c::Application {
            head: Head::of::<c::Application>(),
            request: &raw const request,
            plan: &raw const plan,
            tokens: host.give(tokens.clone()),
            prefix: prefix as u32,
            place: injection as u32,
            kept: none,
            gain,
            noise,
        };
        instance.call(|instance, error| {
            // SAFETY: all structs live until the call returns.
            unsafe {
                functions::apply::<T>(instance, &raw const ops, &raw const application, &raw mut out, error)
            }
        })?;
        host.take(&out)
    }

    /// What the strategy's `score` makes of what it observes, [B, L].
    ///
    /// # Errors
    /// What the strategy answers, a panic of its, or scores of another shape.
    pub fn score<T: Observe>(&self, strategy: T, observed: &Array) -> Result<Array> {
        let instance = Instance::new(strategy);
        let host = Host::new(self);
        let (ops, observed) = (host.table(), host.give(observed.clone()));
        let (geometry, mut out) = (self.c_geometry(), abi::backend::Tensor::none());
        instance.call(|instance, error| {
            // SAFETY: all structs live until the call returns.
            unsafe {
                functions::score::<T>(
                    instance,
                    &raw const ops,
                    &raw const observed,
                    &raw const geometry,
                    &raw mut out,
                    error,
                )
            }
        })?;
        let scores = host.take(&out)?;
        if scores.shape != [self.batch, self.geometry.tokens()] {
            return Err(
                Error::failure(format!("scores of shape {:?}", scores.shape)).help("make them [B, L]")
            );
        }
        Ok(scores)
    }

    fn plan_on<T: Corruption>(&self, instance: &Instance<T>) -> Result<Planned> {
        let count = self.batch * self.geometry.tokens();
        if self.scores.as_ref().is_some_and(|scores| scores.len() != count) {
            return Err(Error::user("scores that are not [B, L]"));
        }
        let mut planned = Planned {
            tokens: self.geometry.tokens(),
            roles: vec![Role::Visible; count],
            gain: vec![1.0; count],
            noise: vec![0.0; count],
            source: Some((0..count as u32).collect()),
            substitutive: false,
        };
        let geometry = self.c_geometry();
        let request = self.c_request(&geometry);
        let mut plan = planned.c_plan();
        instance.call(|instance, error| {
            // SAFETY: all structs live until the call returns.
            unsafe { functions::check::<T>(instance, &raw const geometry, error) }
        })?;
        instance.call(|instance, error| {
            // SAFETY: as above; the buffers are B x L.
            unsafe { functions::plan::<T>(instance, &raw const request, &raw mut plan, error) }
        })?;
        planned.substitutive = plan.flags & c::SUBSTITUTIVE != 0;
        if plan.flags & c::USES_SOURCE == 0 {
            planned.source = None;
        }
        planned.check()?;
        Ok(planned)
    }

    fn c_geometry(&self) -> c::Geometry {
        let g = self.geometry;
        c::Geometry {
            head: Head::of::<c::Geometry>(),
            channels: g.channels as u32,
            height: g.height as u32,
            width: g.width as u32,
            patch: g.patch as u32,
            grid_h: g.grid_h as u32,
            grid_w: g.grid_w as u32,
            prefix: g.prefix as u32,
            dim: g.dim as u32,
            depth: g.depth as u32,
            heads: g.heads as u32,
        }
    }

    fn c_request(&self, geometry: &c::Geometry) -> c::PlanRequest {
        c::PlanRequest {
            head: Head::of::<c::PlanRequest>(),
            geometry,
            batch: self.batch as u32,
            tokens: self.geometry.tokens() as u32,
            seed: self.seed,
            step: self.step,
            first_sample: self.first_sample,
            progress: self.progress,
            scores: self.scores.as_ref().map_or(ptr::null(), |scores| scores.as_ptr()),
        }
    }
}

impl Planned {
    fn c_plan(&mut self) -> c::Plan {
        c::Plan {
            head: Head::of::<c::Plan>(),
            roles: self.roles.as_mut_ptr().cast(),
            gain: self.gain.as_mut_ptr(),
            noise: self.noise.as_mut_ptr(),
            source: self.source.as_mut().map_or(ptr::null_mut(), |source| source.as_mut_ptr()),
            flags: 0,
            reserved: 0,
        }
    }

    /// The host's rules.
    fn check(&self) -> Result<()> {
        for (i, role) in self.roles.iter().enumerate() {
            let (a, s) = (self.gain[i], self.noise[i]);
            let (image, token) = (i / self.tokens, i % self.tokens);
            if !a.is_finite() || !s.is_finite() || s < 0.0 {
                return Err(Error::failure(format!(
                    "token {token} of image {image} has gain {a}, noise {s}"
                )));
            }
            if *role == Role::Visible && (a, s) != (1.0, 0.0) {
                return Err(Error::failure(format!("visible token {token} of image {image} has noise")));
            }
        }
        Ok(())
    }
}

/// A strategy behind its C functions.
struct Instance<T: Corruption> {
    handle: Opaque,
    of: PhantomData<T>,
}

impl<T: Corruption> Instance<T> {
    fn new(strategy: T) -> Self {
        Self { handle: functions::instance(strategy), of: PhantomData }
    }

    fn call(&self, work: impl FnOnce(Opaque, *mut abi::Error) -> u32) -> Result<()> {
        let mut error = abi::Error::new();
        let code = work(self.handle, &raw mut error);
        failure::read(code, &error).map_err(|e| {
            if code == Code::Panic as u32 {
                let message = &error.message[..error.message_len as usize];
                return Error::failure(format!(
                    "the strategy panicked: {}",
                    String::from_utf8_lossy(message)
                ));
            }
            e
        })
    }
}

impl<T: Corruption> Drop for Instance<T> {
    fn drop(&mut self) {
        // SAFETY: made by `instance` of the same type.
        unsafe { functions::destroy::<T>(self.handle) };
    }
}

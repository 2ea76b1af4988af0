//! The generator of random values. It is the host's for every device, as dfdx draws there in any
//! case: a seed gives the same values everywhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dfdx::tensor::Cpu;

/// A generator that all devices of a backend share.
#[derive(Debug, Clone)]
pub(crate) struct Sampler(Arc<Mutex<Cpu>>);

impl Sampler {
    /// A generator that starts from 0.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Cpu::seed_from_u64(0))))
    }

    /// The device that draws.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Cpu> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts anew.
    pub(crate) fn seed(&self, seed: u64) {
        *self.lock() = Cpu::seed_from_u64(seed);
    }
}

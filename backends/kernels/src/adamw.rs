//! The constants of a step of AdamW. The backends round its updates in two ways.

use crate::Real;

/// The step's constants, which are the same for all elements.
#[derive(Debug, Clone, Copy)]
pub struct Rates<T> {
    /// The factor on the gradient.
    pub scale: T,
    /// What stays of the first moment.
    pub beta1: T,
    /// 1 - `beta1`
    pub rest1: T,
    /// What stays of the second moment.
    pub beta2: T,
    /// 1 - `beta2`
    pub rest2: T,
    /// What the decay leaves of the parameter.
    pub shrink: T,
    /// The rate over the first moment's bias.
    pub step: T,
    /// The root of the second moment's bias.
    pub root: T,
    /// What is added to the denominator.
    pub eps: T,
}

impl<T: Real> Rates<T> {
    /// The constants of step number `step`, which counts from 1, computed in f64.
    pub fn new(lr: f64, [beta1, beta2]: [f64; 2], eps: f64, decay: f64, step: u64, scale: f64) -> Self {
        Self {
            scale: T::of(scale),
            beta1: T::of(beta1),
            rest1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            rest2: T::of(1.0 - beta2),
            shrink: T::of(1.0 - lr * decay),
            step: T::of(lr / (1.0 - beta1.powf(step as f64))),
            root: T::of((1.0 - beta2.powf(step as f64)).sqrt()),
            eps: T::of(eps),
        }
    }
}

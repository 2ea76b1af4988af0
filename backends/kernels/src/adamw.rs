//! The constants of a step of AdamW. The backends round its updates in two ways.

use crate::Real;

/// The attributes of the operation.
#[derive(Debug, Clone, Copy)]
pub struct Constants {
    /// Decays of the first and second moment.
    pub betas: [f64; 2],
    /// What is added to the denominator.
    pub eps: f64,
    /// Weight decay.
    pub decay: f64,
    /// Factor on the learning rate.
    pub factor: f64,
}

/// The step's numbers, which are the same for all elements.
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
    /// The weight of the new parameter in its average.
    pub average: T,
}

impl<T: Real> Rates<T> {
    /// The numbers of a step out of the operation's tensor of rates (learning rate, number of the step, factor
    /// on the gradient, skip, weight in the average), computed in f64; `None` if the step is left out.
    pub fn new(constants: Constants, rates: &[T]) -> Option<Self> {
        let Constants { betas: [beta1, beta2], eps, decay, factor } = constants;
        let &[lr, step, scale, skip, average] = rates else { return None };
        let (lr, step) = (lr.wide() * factor, step.wide());
        (skip.wide() == 0.0).then(|| Self {
            scale,
            beta1: T::of(beta1),
            rest1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            rest2: T::of(1.0 - beta2),
            shrink: T::of(1.0 - lr * decay),
            step: T::of(lr / (1.0 - beta1.powf(step))),
            root: T::of((1.0 - beta2.powf(step)).sqrt()),
            eps: T::of(eps),
            average,
        })
    }
}

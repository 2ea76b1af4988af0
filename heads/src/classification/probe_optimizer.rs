//! What a linear probe is trained with: AdamW, or LARS (You et al. 2017) as MAE's `util/lars.py` has it.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, DeviceHandle, Result, Tensor};

/// The optimiser of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeOptimizer {
    /// AdamW with decoupled decay.
    AdamW,
    /// LARS: the rate of a matrix is relative to its norm.
    Lars,
}

/// LARS's momentum and trust coefficient.
const MOMENTUM: f64 = 0.9;
const TRUST: f64 = 0.001;

impl ProbeOptimizer {
    /// Initial weights: zeros for AdamW; for LARS, whose first step would be nothing at zero, normal with
    /// deviation 0.01 (MAE).
    pub(super) fn initial(self, shape: [usize; 2], seed: u64, device: &DeviceHandle) -> Result<Tensor> {
        match self {
            Self::AdamW => device.full(shape, 0.0, DType::F32),
            Self::Lars => {
                let mut values = vec![0.0; shape[0] * shape[1]];
                Philox::new(seed, Stream::Head, u64::from(u32::MAX), 1).fill_normal(&mut values);
                values.iter_mut().for_each(|v| *v *= 0.01);
                device.floats(shape, values, DType::F32)
            }
        }
    }
}

/// A parameter with the state of its optimiser.
pub struct ProbeUpdate {
    optimizer: ProbeOptimizer,
    /// The parameter.
    pub value: Tensor,
    /// AdamW's first moment, or LARS's momentum.
    first: Tensor,
    second: Tensor,
    decay: f64,
}

impl ProbeUpdate {
    /// A parameter at its start.
    pub fn new(optimizer: ProbeOptimizer, value: Tensor, decay: f64) -> Result<Self> {
        let zeros = || value.device().full(value.shape().clone(), 0.0, value.dtype());
        Ok(Self { optimizer, first: zeros()?, second: zeros()?, value, decay })
    }

    /// One step, counted from 1.
    pub fn step(&mut self, gradient: Tensor, lr: f64, step: u64) -> Result<()> {
        match self.optimizer {
            ProbeOptimizer::AdamW => {
                // The rate stands in the operation, which has it in f64.
                let op = Op::Adamw { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: self.decay, factor: lr };
                let rates = AdamwRates::new(1.0, step).upload(&self.value.device(), self.value.dtype())?;
                let inputs =
                    vec![self.value.clone(), gradient, self.first.clone(), self.second.clone(), rates];
                if let [value, first, second] = Tensor::apply_owned(&op, inputs)?.as_slice() {
                    self.value = value.clone();
                    self.first = first.clone();
                    self.second = second.clone();
                }
            }
            ProbeOptimizer::Lars => {
                let update = self.adapted(gradient)?;
                self.first = self.first.mul_scalar(MOMENTUM)?.add(&update)?;
                self.value = self.value.sub(&self.first.mul_scalar(lr)?)?;
            }
        }
        Ok(())
    }

    /// g + decay w, scaled to trust |w| / |g + decay w| for matrices; vectors are left alone.
    fn adapted(&self, gradient: Tensor) -> Result<Tensor> {
        if self.value.rank() < 2 {
            return Ok(gradient);
        }
        let update = gradient.add(&self.value.mul_scalar(self.decay)?)?;
        let norm = |t: &Tensor| t.sum_squares()?.sqrt();
        let (weight, due) = (norm(&self.value)?, norm(&update)?);
        let zero = weight.device().full([], 0.0, weight.dtype())?;
        let one = weight.device().full([], 1.0, weight.dtype())?;
        // MAE: 1 where either norm vanishes.
        let scale = weight.mul_scalar(TRUST)?.div(&zero.less(&due)?.where_(&due, &one)?)?;
        let scale = zero.less(&weight)?.where_(&zero.less(&due)?.where_(&scale, &one)?, &one)?;
        update.mul(&scale)
    }
}

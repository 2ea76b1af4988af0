//! AdamW with decoupled decay, clipped by the global gradient norm.

use crate::Result;
use crate::params::ParamSpec;
use crate::recipe::OptimizerSettings;
use crate::tensor::{HostData, HostTensor, Op, Tensor};

/// The optimiser's moments.
pub struct AdamW {
    settings: OptimizerSettings,
    decays: Vec<bool>,
    /// The factor of each parameter's learning rate; 1 for all where there are none.
    rates: Vec<f64>,
    /// First and second moment of every parameter.
    pub moments: Vec<[Tensor; 2]>,
}

impl AdamW {
    /// Zero moments for these parameters.
    ///
    /// # Errors
    /// No memory.
    pub fn new(settings: &OptimizerSettings, specs: &[ParamSpec], params: &[Tensor]) -> Result<Self> {
        let zeros = |p: &Tensor| p.place().full(p.shape().clone(), 0.0, p.dtype());
        Ok(Self {
            settings: settings.clone(),
            decays: specs.iter().map(|spec| spec.decay).collect(),
            rates: vec![],
            moments: params.iter().map(|p| Ok([zeros(p)?, zeros(p)?])).collect::<Result<_>>()?,
        })
    }

    /// With a factor of its own for the learning rate of each parameter (layer-wise decay).
    ///
    /// # Panics
    /// If there isn't one for each.
    #[must_use]
    pub fn with_rates(self, rates: Vec<f64>) -> Self {
        assert_eq!(rates.len(), self.moments.len(), "a rate for each parameter");
        Self { rates, ..self }
    }

    /// Which parameters decay.
    pub(super) fn decays(&self) -> &[bool] {
        &self.decays
    }

    /// The factor that limits the gradient to the clipping norm.
    pub fn clip_factor(&self, norm: f64) -> f64 {
        let clip = self.settings.clip;
        // The 1e-6 is PyTorch's clip_grad_norm_.
        if clip > 0.0 && norm > clip { clip / (norm + 1e-6) } else { 1.0 }
    }

    /// Updates the parameters that have a gradient. `step` counts from 1.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn step(
        &mut self,
        params: &mut [Tensor],
        gradients: Vec<Option<Tensor>>,
        (step, lr, scale): (u64, f64, f64),
    ) -> Result<()> {
        // As exact as a device holds it that is told by a tensor, so that a step is the same either way.
        let lr = f64::from(lr as f32);
        let OptimizerSettings { beta1, beta2, eps, weight_decay, .. } = self.settings;
        let Some(first) = params.first() else { return Ok(()) };
        let empty = first.place().upload(HostTensor::new([0], HostData::F32(vec![]))?)?;
        for (i, gradient) in gradients.into_iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let decay = if self.decays[i] { weight_decay } else { 0.0 };
            let lr = lr * self.rates.get(i).copied().unwrap_or(1.0);
            let op = Op::AdamwStep { lr, beta1, beta2, eps, decay, step, scale };
            // The old values are given away, so that the backend may write over them.
            let param = std::mem::replace(&mut params[i], empty.clone());
            let [m, v] = std::mem::replace(&mut self.moments[i], [empty.clone(), empty.clone()]);
            let mut out = Tensor::apply_owned(&op, vec![param, gradient, m, v])?.into_iter();
            if let (Some(param), Some(m), Some(v)) = (out.next(), out.next(), out.next()) {
                params[i] = param;
                self.moments[i] = [m, v];
            }
        }
        Ok(())
    }
}

/// The global L2 norm of gradients, on the host.
///
/// # Errors
/// The backend's failure.
pub(crate) fn global_norm(gradients: &[Option<Tensor>]) -> Result<f64> {
    let squares: Vec<Tensor> =
        gradients.iter().flatten().map(|g| g.sum_squares()?.reshape([1])).collect::<Result<_>>()?;
    if squares.is_empty() {
        return Ok(0.0);
    }
    let all = Tensor::concat(&squares.iter().collect::<Vec<_>>(), 0)?;
    Ok(all.download()?.into_f64().into_iter().sum::<f64>().sqrt())
}

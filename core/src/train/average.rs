//! An exponential average of the weights, which is evaluated and saved beside them.

use crate::Result;
use crate::tensor::{Op, Tensor};

/// The average of weights over the steps so far.
pub struct Average {
    decay: f64,
    tensors: Vec<Tensor>,
}

impl Average {
    /// Starts at the weights as they are. The copies are deep: an average shares no memory with what is
    /// trained.
    ///
    /// # Errors
    /// No memory.
    pub fn new(decay: f64, weights: &[Tensor]) -> Result<Self> {
        let copy = |t: &Tensor| t.place().upload(t.download()?);
        Ok(Self::of(decay, weights.iter().map(copy).collect::<Result<_>>()?))
    }

    /// Goes on from an average that was kept.
    pub fn of(decay: f64, tensors: Vec<Tensor>) -> Self {
        Self { decay, tensors }
    }

    /// The averaged weights.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// average <- decay * average + (1 - decay) * weights
    ///
    /// # Errors
    /// The backend's failure.
    pub fn update(&mut self, weights: &[Tensor]) -> Result<()> {
        let op = Op::Lerp { weight: 1.0 - self.decay };
        self.tensors = std::mem::take(&mut self.tensors)
            .into_iter()
            .zip(weights)
            .map(|(mean, weight)| Ok(Tensor::apply_owned(&op, vec![mean, weight.clone()])?.remove(0)))
            .collect::<Result<_>>()?;
        Ok(())
    }
}

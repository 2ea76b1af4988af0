//! What a training step produced, for objectives to read.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::AttentionStatistics;
use crate::corruption::{CorruptionPlan, NoiseSite, Role};
use crate::encoder::Probabilities;
use crate::target::{Target, TargetInput};
use crate::tensor::{DType, DeviceHandle, HostData, HostTensor, Tensor};
use crate::{Error, Result};

/// Weights that make a sum over tokens the mean over one role.
#[derive(Debug, Clone)]
pub struct TokenWeights {
    /// Masked tokens, [B, L, 1]: 1 / (number masked) at each; `None` where there is none.
    pub masked: Option<Tensor>,
    /// Visible tokens, noised or not.
    pub visible: Option<Tensor>,
    /// Every token.
    pub all: Tensor,
}

impl TokenWeights {
    /// The weights of a plan.
    pub fn new(plan: &CorruptionPlan, device: &DeviceHandle, dtype: DType) -> Result<Self> {
        let mean_over = |wanted: &dyn Fn(Role) -> bool| -> Result<Option<Tensor>> {
            let count = plan.roles.iter().filter(|&&role| wanted(role)).count();
            if count == 0 {
                return Ok(None);
            }
            let weight = 1.0 / count as f64;
            let values = plan.roles.iter().map(|&role| if wanted(role) { weight } else { 0.0 }).collect();
            let values = HostTensor::new([plan.batch, plan.tokens, 1], HostData::F64(values))?;
            device.upload(values.to_float(dtype)?).map(Some)
        };
        Ok(Self {
            masked: mean_over(&|role| role == Role::Masked)?,
            visible: mean_over(&|role| role != Role::Masked)?,
            all: mean_over(&|_| true)?.ok_or_else(|| Error::failure("an empty batch"))?,
        })
    }
}

/// What a step produced.
pub struct StepOutput<'a> {
    /// What targets are made of: the images, their noise.
    pub input: TargetInput<'a>,
    /// What was corrupted, and how.
    pub plan: &'a CorruptionPlan,
    /// Where noise enters.
    pub site: NoiseSite,
    /// Weights of the tokens by role.
    pub weights: &'a TokenWeights,
    /// Predictions by head, each [B, L, width].
    pub predictions: BTreeMap<String, Tensor>,
    /// Attention probabilities of the tapped blocks.
    pub attention: Vec<Probabilities>,
    /// Whether the encoder saw masked tokens, so that its attention has rows for them.
    pub mask_tokens_encoded: bool,
    /// Tensors that objectives share; starts empty.
    pub shared: RefCell<BTreeMap<String, Tensor>>,
}

impl StepOutput<'_> {
    /// A target, made once however many objectives share it.
    ///
    /// # Errors
    /// The target's failure.
    pub fn target(&self, key: &str, target: &dyn Target) -> Result<Tensor> {
        self.once(&format!("target {key}"), || target.generate(&self.input))
    }

    /// What attention between masked and noised tokens is weighted with; `None` where there are none of either.
    pub fn attention_statistics(&self) -> Result<Option<AttentionStatistics>> {
        let TargetInput { geometry, patches, .. } = self.input;
        AttentionStatistics::new(self.plan, geometry.prefix, &patches.device(), patches.dtype())
    }

    /// A tensor that objectives share, made by the first that asks.
    ///
    /// # Errors
    /// The maker's failure.
    pub fn once(&self, key: &str, make: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        if let Some(made) = self.shared.borrow().get(key) {
            return Ok(made.clone());
        }
        let tensor = make()?;
        self.shared.borrow_mut().insert(key.to_owned(), tensor.clone());
        Ok(tensor)
    }

    /// The predictions of a head.
    ///
    /// # Errors
    /// No such head.
    pub fn prediction(&self, head: &str) -> Result<&Tensor> {
        self.predictions.get(head).ok_or_else(|| Error::failure(format!("no head `{head}` was built")))
    }
}

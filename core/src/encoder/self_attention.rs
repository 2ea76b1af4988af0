//! Self-attention of a block, and what encoders do to queries and keys before it.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use super::BlockContext;
use super::attention::Tapped;
use super::norm::{Norm, NormSettings};
use crate::Result;
use crate::backend::NoGrad;
use crate::layer::Linear;
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::tensor::{DType, Tensor};

/// Which of queries, keys and values have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QkvBias {
    /// All three.
    All,
    /// Queries and values (BEiT, EVA-02, DINOv3). Without rotary positions a bias of the keys changes nothing.
    QueryValue,
    /// None.
    None,
}

/// The parts of self-attention.
#[derive(Debug, Clone)]
pub struct AttentionSettings {
    /// Heads.
    pub heads: usize,
    /// Which of queries, keys and values have a bias.
    pub qkv_bias: QkvBias,
    /// Whether the projection of the result has a bias.
    pub proj_bias: bool,
    /// A norm of each head's queries and keys (Dehghani et al., ViT-22B, 2023).
    pub qk_norm: Option<NormSettings>,
    /// A norm of the result before its projection (EVA-02's sub-LN).
    pub norm: Option<NormSettings>,
    /// Initial values of matrices.
    pub init: Init,
    /// How the projection starts.
    pub proj_init: Init,
}

impl AttentionSettings {
    /// With all biases, and no norms.
    pub fn plain(heads: usize, init: Init) -> Self {
        let proj_init = init.clone();
        Self { heads, qkv_bias: QkvBias::All, proj_bias: true, qk_norm: None, norm: None, init, proj_init }
    }
}

/// Self-attention with its projections.
#[derive(Debug, Clone)]
pub(super) struct SelfAttention {
    heads: usize,
    qkv: Linear,
    /// Biases of queries and values alone.
    query_value_bias: Option<[ParamId; 2]>,
    qk_norm: Option<[Norm; 2]>,
    norm: Option<Norm>,
    proj: Linear,
}

impl SelfAttention {
    /// Declares its parameters under `attn`, as timm names them.
    pub(super) fn new(specs: &mut ParamSpecs, dim: usize, settings: &AttentionSettings) -> Self {
        let AttentionSettings { heads, qkv_bias, proj_bias, qk_norm, norm, init, proj_init } =
            settings.clone();
        let bias =
            |specs: &mut ParamSpecs, name: &str| specs.declare(name, [dim], Init::Constant(0.0), false);
        Self {
            heads,
            qkv: Linear::with_bias_if(
                qkv_bias == QkvBias::All,
                specs,
                "attn.qkv",
                dim,
                3 * dim,
                init.clone(),
            ),
            query_value_bias: (qkv_bias == QkvBias::QueryValue)
                .then(|| [bias(specs, "attn.q_bias"), bias(specs, "attn.v_bias")]),
            qk_norm: qk_norm.map(|norm| {
                ["attn.q_norm", "attn.k_norm"].map(|name| Norm::new(specs, name, dim / heads, norm))
            }),
            norm: norm.map(|norm| Norm::new(specs, "attn.norm", dim, norm)),
            proj: Linear::with_bias_if(proj_bias, specs, "attn.proj", dim, dim, proj_init),
        }
    }

    /// x [B, N, D] -> the same shape in `dtype`, and the attention probabilities where the context taps the block.
    pub(super) fn forward(
        &self,
        params: &Params,
        x: &Tensor,
        dtype: DType,
        index: usize,
        context: &BlockContext<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let compute = params.compute();
        let mut qkv = match self.query_value_bias {
            None => self.qkv.forward_as(params, x, compute)?,
            Some([query, value]) => {
                let key = params.device().full(params[query].shape().clone(), 0.0, params.dtype())?;
                let bias = Tensor::concat(&[&params[query], &key, &params[value]], 0)?;
                self.qkv.forward_with_bias(params, x, Some(&bias), compute)?
            }
        };
        if self.qk_norm.is_some() || context.angles.is_some() {
            qkv = self.queries_and_keys(params, &qkv, context)?;
        }
        let (mut mixed, probs) = self.attend(&qkv, index, context)?;
        if let Some(norm) = &self.norm {
            mixed = norm.forward(params, &mixed.cast(params.dtype())?)?;
        }
        let probs = probs.map(|probs| probs.cast(dtype)).transpose()?;
        Ok((self.proj.forward_as(params, &mixed, dtype)?, probs))
    }

    /// Packed queries, keys and values [B, N, 3 D], the former two normalised and rotated.
    fn queries_and_keys(&self, params: &Params, qkv: &Tensor, context: &BlockContext<'_>) -> Result<Tensor> {
        let [b, n, packed] = qkv.shape().array()?;
        let (dim, heads) = (packed / 3, self.heads);
        let front = qkv.narrow(2, 0, 2 * dim)?.cast(params.dtype())?;
        let mut front = front.reshape([b, n, 2 * heads, dim / heads])?;
        if let Some([query, key]) = &self.qk_norm {
            let queries = query.forward(params, &front.narrow(2, 0, heads)?)?;
            let keys = key.forward(params, &front.narrow(2, heads, heads)?)?;
            front = Tensor::concat(&[&queries, &keys], 2)?;
        }
        if let Some(angles) = context.angles {
            front = angles.rotate(&front)?;
        }
        let front = front.reshape([b, n, 2 * dim])?.cast(qkv.dtype())?;
        Tensor::concat(&[&front, &qkv.narrow(2, 2 * dim, dim)?], 2)
    }

    /// Attention of packed queries, keys and values, in their type.
    fn attend(
        &self,
        qkv: &Tensor,
        index: usize,
        context: &BlockContext<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let bias = context.bias.map(|bias| bias.cast(qkv.dtype())).transpose()?;
        let bias = bias.as_ref();
        match context.tap.of(index) {
            Tapped::No => Ok((qkv.self_attention(bias, self.heads)?, None)),
            Tapped::Differentiate => {
                let probs = qkv.attention_probs(bias, self.heads)?;
                let mixed = probs.attention_apply(qkv, self.heads)?;
                Ok((mixed, Some(probs)))
            }
            Tapped::Observe => {
                let mixed = qkv.self_attention(bias, self.heads)?;
                let device = qkv.device();
                let _quiet = NoGrad::new(&*device.backend);
                let probs = qkv.attention_probs(bias, self.heads)?;
                Ok((mixed, Some(probs)))
            }
        }
    }
}

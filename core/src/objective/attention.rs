//! What attention does between masked and noised tokens.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use crate::Result;
use crate::corruption::{CorruptionPlan, Role};
use crate::encoder::Probabilities;
use crate::tensor::{DType, DeviceHandle, HostData, HostTensor, Tensor};

/// Weights over attention rows and columns for masked (M) and noised visible tokens (V).
///
/// Where no token is noised, V is the visible tokens, so that the cross mass is also told for
/// recipes without noise.
pub struct AttentionStatistics {
    /// [B, 1, N, 1]: 1 / |M| at masked rows of the whole batch.
    masked_rows: Tensor,
    /// [B, 1, N, 1]: 1 / |V| at noised rows of the whole batch.
    noised_rows: Tensor,
    /// [B, 1, N, 1]: 1 at masked tokens.
    masked: Tensor,
    /// [B, 1, N, 1]: 1 at noised tokens.
    noised: Tensor,
    tokens: usize,
}

impl AttentionStatistics {
    /// The weights of a plan for an encoder with `prefix` tokens in front; `None` where M or V is
    /// empty.
    pub fn new(
        plan: &CorruptionPlan,
        prefix: usize,
        device: &DeviceHandle,
        dtype: DType,
    ) -> Result<Option<Self>> {
        let partner = if plan.roles.contains(&Role::Noised) { Role::Noised } else { Role::Visible };
        let tokens = prefix + plan.tokens;
        let indicator = |wanted: Role| {
            let mut values = vec![0.0f64; plan.batch * tokens];
            for (image, row) in values.chunks_mut(tokens).enumerate() {
                for (value, role) in row[prefix..].iter_mut().zip(plan.image(image)) {
                    *value = f64::from(u8::from(*role == wanted));
                }
            }
            values
        };
        let (masked, noised) = (indicator(Role::Masked), indicator(partner));
        let upload = |values: &[f64], scale: f64| {
            let values = HostData::F64(values.iter().map(|v| v * scale).collect());
            device.upload(HostTensor::new([plan.batch, 1, tokens, 1], values)?.to_float(dtype)?)
        };
        let (m, v) = (masked.iter().sum::<f64>(), noised.iter().sum::<f64>());
        if m == 0.0 || v == 0.0 {
            return Ok(None);
        }
        Ok(Some(Self {
            masked_rows: upload(&masked, 1.0 / m)?,
            noised_rows: upload(&noised, 1.0 / v)?,
            masked: upload(&masked, 1.0)?,
            noised: upload(&noised, 1.0)?,
            tokens,
        }))
    }

    /// mean over blocks, heads and masked rows of log N - H(row): 0 for uniform rows.
    pub fn row_entropy_gap(&self, blocks: &[&Probabilities]) -> Result<Tensor> {
        let entropy =
            mean_over_blocks(blocks, |probs| probs.row_entropy()?.mul(&self.masked_rows)?.sum_all())?;
        entropy.neg()?.add_scalar((self.tokens as f64).ln())
    }

    /// mean over blocks, heads and masked rows of the attention that goes to noised tokens.
    pub fn masked_to_noised(&self, blocks: &[&Probabilities]) -> Result<Tensor> {
        mean_over_blocks(blocks, |probs| mass(probs, &self.masked_rows, &self.noised))
    }

    /// mean over blocks, heads and noised rows of the attention that goes to masked tokens.
    pub fn noised_to_masked(&self, blocks: &[&Probabilities]) -> Result<Tensor> {
        mean_over_blocks(blocks, |probs| mass(probs, &self.noised_rows, &self.masked))
    }
}

/// sum over images, heads and rows of row weight x (attention to the columns).
fn mass(probs: &Tensor, rows: &Tensor, columns: &Tensor) -> Result<Tensor> {
    probs.matmul(columns)?.mul(rows)?.sum_all()
}

/// The mean over blocks and heads; `per_block` sums over heads.
fn mean_over_blocks(
    blocks: &[&Probabilities],
    per_block: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut total: Option<Tensor> = None;
    let mut count = 0;
    for block in blocks {
        count += block.values.shape()[1];
        let sum = per_block(&block.values)?;
        total = Some(match total {
            Some(total) => total.add(&sum)?,
            None => sum,
        });
    }
    let total = total.ok_or_else(|| crate::Error::failure("no block's attention was tapped"))?;
    total.mul_scalar(1.0 / count as f64)
}

//! Keeping masked and noised tokens from disturbing each other. The paper names the aim and not the
//! formula; these are the four readings of it.

use std::ops::Range;

use crate::corruption::NoiseSite;
use crate::encoder::Probabilities;
use crate::geometry::Geometry;
use crate::objective::{Needs, Objective, ObjectiveEntry, StepOutput};
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// What is minimised, with M the masked and V the noised tokens, A the row-stochastic attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// mean over i in M of log N - H(A_i) = KL(A_i, uniform): masked rows spread out.
    RowEntropy,
    /// half the mean mass from M to V plus half the mean mass from V to M.
    CrossMass,
    /// the mean mass from V to M: masked tokens stop disturbing noised ones.
    OneWay,
    /// logits between M and V are removed; an ablation without a loss.
    HardMask,
}

crate::settings! {
    /// The disruption loss.
    pub struct Disruption {
        /// row-entropy, cross-mass, one-way or hard-mask.
        form: Form = Form::RowEntropy;
        /// Factor in the total.
        weight: f64 = 0.1, in 0.0..=1e6;
        /// First block; -1 takes the block that noise enters.
        first_block: i64 = -1, in -1..=1024;
    }
}

impl Disruption {
    fn blocks(&self, depth: usize, site: NoiseSite) -> Range<usize> {
        let first = usize::try_from(self.first_block).unwrap_or_else(|_| site.first_block());
        first.min(depth)..depth
    }
}

impl Objective for Disruption {
    fn needs(&self, geometry: &Geometry, site: NoiseSite) -> Needs {
        let blocks = Some(self.blocks(geometry.depth, site));
        match self.form {
            Form::HardMask => Needs { separate: blocks, ..Needs::default() },
            _ if self.weight > 0.0 => Needs { attention: blocks, ..Needs::default() },
            _ => Needs::default(),
        }
    }

    fn check(&self, geometry: &Geometry, mask_tokens_encoded: bool) -> Result<()> {
        if !mask_tokens_encoded {
            return Err(Error::user("the encoder sees no masked tokens whose attention could be kept apart")
                .about("kind")
                .help("set restoration.style = \"encoder\", or drop the objective"));
        }
        if self.first_block >= geometry.depth as i64 {
            return Err(Error::user(format!(
                "block {} is not among the {} blocks",
                self.first_block, geometry.depth
            ))
            .about("first_block")
            .help(format!("choose -1 to {}", geometry.depth - 1)));
        }
        Ok(())
    }

    fn loss(&self, step: &StepOutput<'_>) -> Result<Option<Tensor>> {
        if self.form == Form::HardMask || self.weight == 0.0 || !step.mask_tokens_encoded {
            return Ok(None);
        }
        let Some(statistics) = step.attention_statistics()? else { return Ok(None) };
        let range = self.blocks(step.input.geometry.depth, step.site);
        let blocks: Vec<&Probabilities> =
            step.attention.iter().filter(|p| range.contains(&p.block)).collect();
        match self.form {
            Form::RowEntropy => statistics.row_entropy_gap(&blocks),
            Form::OneWay => statistics.noised_to_masked(&blocks),
            Form::CrossMass | Form::HardMask => {
                let there = statistics.masked_to_noised(&blocks)?;
                there.add(&statistics.noised_to_masked(&blocks)?)?.mul_scalar(0.5)
            }
        }
        .map(Some)
    }

    fn weight(&self) -> f64 {
        self.weight
    }
}

inventory::submit! {
    ObjectiveEntry {
        name: "disruption",
        summary: "keeps masked and noised tokens from disturbing each other (the paper)",
        fields: Disruption::fields,
        build: |section| Ok(Box::new(section.read::<Disruption>()?)),
    }
}

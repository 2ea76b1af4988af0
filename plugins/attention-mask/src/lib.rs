//! Masks guided by the encoder's own attention: Kakogeorgiou et al., "What to hide from your students:
//! attention-guided masked image modeling" (AttMask, ECCV 2022). The patches that are attended to most are
//! masked, as they make the harder task; a few of them may stay as hints, and the masks begin at random
//! where the run does, since attention means nothing yet.
//!
//! AttMask looks at a teacher's last block; here the encoder that is trained looks at clean images, without
//! gradients. Attention is the class token's where there is one, else the mean over all patches.

use palimpsest_sdk::prelude::*;

/// Masks the most attended patches.
#[derive(Parameters)]
struct AttentionMask {
    /// Mask ratio: `round(L * ratio)` of L patches, exactly.
    #[param(default = 0.6, range = 0.0..=1.0)]
    ratio: f64,
    /// Share of the most attended patches, as many as are masked, that stays visible as a hint.
    #[param(default = 0.1, range = 0.0..=1.0)]
    hint: f64,
    /// Share of the run over which masks go from random to guided.
    #[param(default = 0.2, range = 0.0..=1.0)]
    warmup: f64,
    /// The block that is looked at, from 0; negative ones from behind, -1 the last.
    #[param(default = -1, range = -1024..=1023)]
    block: i64,
}

impl Corruption for AttentionMask {
    const ID: &'static str = "org.palimpsest.attention-mask";
    const SUMMARY: &'static str = "masks the most attended patches (AttMask)";
    const EQUAL_COUNTS: bool = true;

    fn check(&self, geometry: &Geometry) -> Result<()> {
        let depth = geometry.depth as i64;
        if (-depth..depth).contains(&self.block) {
            return Ok(());
        }
        Err(Error::user(format!("there is no block {} among {depth}", self.block))
            .at("corruption.block")
            .help(format!("choose -{depth} to {}", depth - 1)))
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let masked = (self.ratio * request.tokens as f64).round() as usize;
        let guided = if request.progress < self.warmup { request.progress / self.warmup } else { 1.0 };
        for mut image in plan.images() {
            let scores = image.scores().ok_or_else(|| Error::failure("a plan without scores"))?;
            let mut random = image.random();
            let mut order: Vec<usize> = (0..request.tokens).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            // The hints go to the end of the list.
            let hints = (self.hint * masked as f64).round() as usize;
            let mut top: Vec<usize> = order[..masked].to_vec();
            random.shuffle(&mut top);
            let shown = top.split_off(masked - hints);
            order.retain(|token| !shown.contains(token));
            order.extend(shown);
            // Each mask is guided or drawn at random, by the run's progress.
            let by_attention = (0..masked).filter(|_| random.chance(guided)).count();
            order[..by_attention].iter().for_each(|&token| image.mask(token));
            let mut rest = order.split_off(by_attention);
            random.shuffle(&mut rest);
            rest[..masked - by_attention].iter().for_each(|&token| image.mask(token));
        }
        Ok(())
    }
}

impl Observe for AttentionMask {
    fn observe(&self) -> Observation {
        Observation::Attention { block: self.block as i32 }
    }

    fn score<'call>(&self, attention: Tensor<'call>, geometry: &Geometry) -> Result<Tensor<'call>> {
        // [B, heads, prefix + L, prefix + L]: the patches' columns, of the class token's row or of all.
        let (batch, tokens) = (attention.shape()[0], geometry.tokens());
        let received = attention.narrow(3, geometry.prefix, tokens)?;
        let rows = if geometry.prefix > 0 { received.narrow(2, 0, 1)? } else { received };
        rows.mean(&[1, 2])?.reshape(&[batch, tokens])?.cast(DType::F32)
    }
}

export_plugin!(AttentionMask);

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_sdk::testing::{Array, Case};

    fn strategy() -> AttentionMask {
        AttentionMask { ratio: 0.25, hint: 0.0, warmup: 0.0, block: -1 }
    }

    /// An image whose class token looks at patch 3, and twice as much at patch 6.
    fn case() -> Case {
        let mut case = Case::new(Geometry::of_grid(2, 4), 1, 1);
        let attention = Array::from_fn(&[1, 2, 9, 9], |i| match (i / 9 % 9, i % 9) {
            (0, 4) => 0.3,
            (0, 7) => 0.6,
            (0, _) => 0.1 / 7.0,
            // What others look at is of no account.
            (_, 1) => 1.0,
            _ => 0.0,
        });
        let scores = case.score(strategy(), &attention).expect("scores");
        assert_eq!(scores.shape, [1, 8]);
        case.scores = Some(scores.data.iter().map(|&s| s as f32).collect());
        case
    }

    fn masked(case: &Case, strategy: AttentionMask) -> Vec<usize> {
        let roles = case.plan(strategy).expect("a plan").roles;
        (0..roles.len()).filter(|&i| roles[i] == Role::Masked).collect()
    }

    #[test]
    fn the_most_attended_patches_are_masked() {
        assert_eq!(masked(&case(), strategy()), [3, 6]);
    }

    #[test]
    fn hints_stay_visible_and_the_count_is_exact() {
        let hinted = masked(&case(), AttentionMask { hint: 0.5, ..strategy() });
        assert_eq!(hinted.len(), 2);
        assert!(hinted.contains(&3) != hinted.contains(&6), "{hinted:?}");
    }
}

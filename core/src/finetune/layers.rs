//! Which parameters partial fine-tuning trains.

use super::Tuned;
use crate::encoder::layer_of;
use crate::params::{Init, ParamSpec};

/// Whether each parameter is trained. A bias that all blocks share counts with the embedding: to train it
/// would take the gradient of every block.
pub fn trained(specs: &[ParamSpec], depth: usize, tuned: Tuned) -> Vec<bool> {
    specs
        .iter()
        .map(|spec| match tuned {
            _ if matches!(spec.init, Init::Fixed(_)) => false,
            Tuned::Full => true,
            Tuned::Frozen => spec.name.starts_with("head."),
            Tuned::Last(blocks) => {
                layer_of(&spec.name, depth) + blocks > depth && !spec.name.starts_with("rel_pos_bias.")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::layer_rates;
    use crate::params::ParamSpecs;

    fn specs() -> ParamSpecs {
        let mut specs = ParamSpecs::default();
        for name in [
            "cls_token",
            "patch_embed.proj.weight",
            "rel_pos_bias.relative_position_bias_table",
            "blocks.0.norm1.weight",
            "blocks.11.mlp.fc2.weight",
            "norm.weight",
            "head.weight",
        ] {
            specs.declare(name, [1], Init::Constant(0.0), true);
        }
        specs
    }

    /// MAE's `param_groups_lrd` with 12 blocks and 0.65: 0.65^13 at the embedding, 1 at the head.
    #[test]
    fn rates_as_mae_has_them() {
        let rates = layer_rates(specs().specs(), 12, 0.65);
        let powers = [13, 13, 0, 12, 1, 0, 0];
        for (rate, power) in rates.iter().zip(powers) {
            assert!((rate - 0.65f64.powi(power)).abs() < 1e-15, "{rates:?}");
        }
    }

    #[test]
    fn what_is_trained() {
        let of = |tuned| trained(specs().specs(), 12, tuned);
        assert_eq!(of(Tuned::Frozen), [false, false, false, false, false, false, true]);
        assert_eq!(of(Tuned::Last(1)), [false, false, false, false, true, true, true]);
        assert_eq!(of(Tuned::Last(12)), [false, false, false, true, true, true, true]);
        assert_eq!(of(Tuned::Full), [true; 7]);
        let mut counted = ParamSpecs::default();
        counted.declare("head.mean", [1], Init::Fixed(vec![3.0]), false);
        assert_eq!(trained(counted.specs(), 12, Tuned::Full), [false]);
    }
}

//! Which layer a parameter belongs to, and its learning rate there.

use crate::params::ParamSpec;

/// The layer of a parameter by its name, as BEiT and MAE count (`get_num_layer_for_vit`): the embedding
/// and its tokens are 0, block i is i + 1, and all above them (final norm, shared position bias, head) is
/// `depth + 1`.
pub fn layer_of(name: &str, depth: usize) -> usize {
    match block_of(name) {
        Some(block) => block + 1,
        None if ["patch_embed.", "cls_token", "reg_token", "pos_embed", "norm_pre."]
            .iter()
            .any(|of| name.starts_with(of)) =>
        {
            0
        }
        None => depth + 1,
    }
}

/// The factor of each parameter's learning rate: `decay` to the power of its distance from the top.
pub fn layer_rates(specs: &[ParamSpec], depth: usize, decay: f64) -> Vec<f64> {
    specs.iter().map(|spec| decay.powi((depth + 1 - layer_of(&spec.name, depth)) as i32)).collect()
}

/// The encoder's block that alone uses a parameter; none for those of other parts.
pub fn block_of(name: &str) -> Option<usize> {
    name.strip_prefix("blocks.").and_then(|rest| rest.split('.').next()?.parse().ok())
}

//! Checkpoints compared bit by bit.

use palimpsest_core::HostTensor;
use palimpsest_core::train::Checkpoint;

/// The bits of everything that a step may change.
pub fn bits(checkpoint: &Checkpoint) -> Vec<(String, Vec<u32>)> {
    let bits = |tensor: &HostTensor| tensor.clone().into_f32().into_iter().map(f32::to_bits).collect();
    checkpoint.tensors.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect()
}

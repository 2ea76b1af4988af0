//! The seam for data-parallel training: one process drives one device, and gradients are averaged
//! between processes.

use crate::Result;
use crate::tensor::Tensor;

/// Communication between the processes of one run.
pub trait Collective: Send + Sync {
    /// This process's number, from 0.
    fn rank(&self) -> usize;
    /// The number of processes.
    fn size(&self) -> usize;
    /// Replaces each gradient by its mean over all processes.
    ///
    /// # Errors
    /// A process that failed or went away.
    fn average(&self, gradients: &mut [Option<Tensor>]) -> Result<()>;
}

/// One process alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Single;

impl Collective for Single {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        1
    }
    fn average(&self, _: &mut [Option<Tensor>]) -> Result<()> {
        Ok(())
    }
}

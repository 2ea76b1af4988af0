//! How chance is drawn: counted, so that a figure is the same on every machine.

use palimpsest_types::Philox;

/// How many draws, and from which seed. Draw k is a function of the seed and k alone: more draws go on where fewer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// How many.
    pub count: u32,
    /// The seed of the draws, which has nothing to do with the seeds of the runs.
    pub seed: u64,
}

impl Default for Draws {
    /// 10,000 draws of seed 0.
    fn default() -> Self {
        Self { count: 10_000, seed: 0 }
    }
}

/// What a draw is for. The streams of training are below, those of plug-ins above.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Signs of paired differences.
    Sign = 200,
    /// Which values of a stratum a resample takes.
    Resample = 201,
    /// The order of one of two paired lists.
    Pairing = 202,
}

impl Draws {
    /// The generator of draw number `draw`, in which each `part` draws for itself.
    pub(crate) fn generator(&self, stream: Stream, part: usize, draw: u32) -> Philox {
        Philox::new(self.seed, stream as u32, part as u64, u64::from(draw))
    }
}
